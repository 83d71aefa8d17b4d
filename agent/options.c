/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "options.h"
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "command-line.h"
#include "daemon.h"
#include "db/tls-options.h"
#include "dirs.h"
#include "host/bridge.h"
#include "openvswitch/vlog.h"
#include "stream.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(options);

enum {
    OPT_DB_DIR = UCHAR_MAX + 1,
    OPT_RUN_DIR,
    OPT_OVSDB,
    OPT_BRIDGE,
    OPT_REMOTE,
    OPT_NO_DURABLE,
    OPT_UNIXCTL,
    DAEMON_OPTION_ENUMS,
    VLOG_OPTION_ENUMS,
};

static const struct option long_options[] = {
    {"db-dir", required_argument, NULL, OPT_DB_DIR},
    {"run-dir", required_argument, NULL, OPT_RUN_DIR},
    {"ovsdb", required_argument, NULL, OPT_OVSDB},
    {"bridge", required_argument, NULL, OPT_BRIDGE},
    {"remote", required_argument, NULL, OPT_REMOTE},
    {"no-durable", no_argument, NULL, OPT_NO_DURABLE},
    {"unixctl", required_argument, NULL, OPT_UNIXCTL},
    TLS_LONG_OPTIONS,
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    DAEMON_LONG_OPTIONS,
    VLOG_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

OVS_NO_RETURN static void
usage(void)
{
    const char *name = program_name;

    printf("\
%s: host agent for network virtualization\n\
usage: %s [OPTIONS]\n\
       %s --db-only [OPTIONS] FILE...\n\
The second form is an OVSDB server like ovsdb-server and nothing else; see\n\
\"%s --db-only --help\".\n\
\n\
This host (each also as external_ids:hnv-... in the Open_vSwitch table):\n\
  --bridge=NAME           integration bridge (default: br-int)\n\
  --db-dir=DIR            keep the databases in DIR\n\
                          (default: %s)\n\
  --remote=REMOTE         accept or make OVSDB connections by REMOTE, which\n\
                          may be given more than once, in place of the\n\
                          default: ptcp:6641:127.0.0.1, and with a key also\n\
                          pssl:6640\n\
\n\
Where things are:\n\
  --ovsdb=REMOTE          Open vSwitch's own database\n\
                          (default: unix:%s/db.sock)\n\
  --run-dir=DIR           socket of the databases (default: %s);\n\
                          ovsdb-client finds it as unix:DIR/db.sock\n\
\n\
Database:\n\
  --no-durable            answer a transaction before the disk has it:\n\
                          faster, but a power loss may take it back\n",
           name, name, name, name,
           HNV_DBDIR, ovs_rundir(), HNV_RUNDIR);
    stream_usage("REMOTE", true, true, true);
    daemon_usage();
    vlog_usage();
    printf("\nOther options:\n"
           "  --unixctl=SOCKET        override default control socket name\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n");
    exit(EXIT_SUCCESS);
}

static void
parse_option(struct options *options, int c)
{
    switch (c) {
    case OPT_DB_DIR:
        options->db_dir = optarg;
        break;
    case OPT_RUN_DIR:
        options->run_dir = optarg;
        break;
    case OPT_OVSDB:
        options->ovsdb = optarg;
        break;
    case OPT_BRIDGE:
        options->bridge = optarg;
        break;
    case OPT_REMOTE:
        sset_add(&options->remotes, optarg);
        break;
    case OPT_NO_DURABLE:
        options->durable = false;
        break;
    case OPT_UNIXCTL:
        options->unixctl_path = optarg;
        break;
    case 'h':
        usage();
    case 'V':
        ovs_print_version(0, 0);
        exit(EXIT_SUCCESS);

    DAEMON_OPTION_HANDLERS
    VLOG_OPTION_HANDLERS

    case '?':
        exit(EXIT_FAILURE);
    default:
        abort();
    }
}

void
options_parse(struct options *options, int argc, char *argv[])
{
    *options = (struct options) {
        .run_dir = HNV_RUNDIR,
        .remotes = SSET_INITIALIZER(&options->remotes),
        .durable = true,
    };

    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    for (;;) {
        int c = getopt_long(argc, argv, short_options, long_options, NULL);

        if (c == -1) {
            break;
        }
        if (!tls_option_parse(&options->tls, c, optarg)) {
            parse_option(options, c);
        }
    }
    free(short_options);

    if (!options->ovsdb) {
        options->default_ovsdb = xasprintf("unix:%s/db.sock", ovs_rundir());
        options->ovsdb = options->default_ovsdb;
    }
    if (optind < argc) {
        ovs_fatal(0, "%s: unexpected argument; database files are named with "
                  "--db-only only (use --help for help)", argv[optind]);
    }
    if (options->bridge && !bridge_name_is_usable(options->bridge)) {
        ovs_fatal(0, "--bridge: \"%s\" cannot be the name of a bridge (1 to "
                  "%d characters, no slash, colon or blank, not that of a "
                  "tunnel port)", options->bridge, BRIDGE_NAME_MAX);
    }
    if (!options->tls.private_key != !options->tls.certificate) {
        ovs_fatal(0, "--private-key and --certificate go together; only one "
                  "of them was given");
    }
}

void
options_uninit(struct options *options)
{
    free(options->default_ovsdb);
    sset_destroy(&options->remotes);
}
