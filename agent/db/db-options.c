/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "command-line.h"
#include "daemon.h"
#include "db/tls-options.h"
#include "dirs.h"
#include "openvswitch/vlog.h"
#include "ovs-replay.h"
#include "ovsdb/file.h"
#include "ovsdb/replication.h"
#include "stream.h"
#include "util.h"

/* DAEMON_OPTION_HANDLERS logs. */
VLOG_DEFINE_THIS_MODULE(db_options);

enum {
    OPT_REMOTE = UCHAR_MAX + 1,
    OPT_UNIXCTL,
    OPT_RUN,
    OPT_SYNC_FROM,
    OPT_SYNC_EXCLUDE_TABLES,
    OPT_ACTIVE,
    OPT_NO_DBS,
    OPT_DISABLE_FILE_COLUMN_DIFF,
    VLOG_OPTION_ENUMS,
    DAEMON_OPTION_ENUMS,
    OVS_REPLAY_OPTION_ENUMS,
};

static const struct option long_options[] = {
    { "remote", required_argument, NULL, OPT_REMOTE },
    { "unixctl", required_argument, NULL, OPT_UNIXCTL },
    { "run", required_argument, NULL, OPT_RUN },
    { "no-dbs", no_argument, NULL, OPT_NO_DBS },
    { "sync-from", required_argument, NULL, OPT_SYNC_FROM },
    { "sync-exclude-tables", required_argument, NULL,
      OPT_SYNC_EXCLUDE_TABLES },
    { "active", no_argument, NULL, OPT_ACTIVE },
    { "disable-file-column-diff", no_argument, NULL,
      OPT_DISABLE_FILE_COLUMN_DIFF },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    DAEMON_LONG_OPTIONS,
    VLOG_LONG_OPTIONS,
    TLS_LONG_OPTIONS,
    OVS_REPLAY_LONG_OPTIONS,
    { NULL, 0, NULL, 0 },
};

OVS_NO_RETURN static void
usage(void)
{
    printf("%s --db-only: OVSDB server\n"
           "usage: %s --db-only [OPTIONS] [DATABASE...]\n"
           "A DATABASE is a file, or relay:NAME:REMOTE[,REMOTE]...  "
           "The default is\n%s/conf.db.\n"
           "\nJSON-RPC options (may be specified any number of times):\n"
           "  --remote=REMOTE         connect or listen to REMOTE\n",
           program_name, program_name, ovs_dbdir());
    stream_usage("JSON-RPC", true, true, true);
    daemon_usage();
    vlog_usage();
    replication_usage();
    ovs_replay_usage();
    printf("\nOther options:\n"
           "  --run COMMAND           run COMMAND as subprocess then exit\n"
           "  --unixctl=SOCKET        override default control socket name\n"
           "  --no-dbs                start without any database\n"
           "  --disable-file-column-diff\n"
           "                          don't use column diff in database file; "
           "servers\n"
           "                          before Open vSwitch 2.15 can read it "
           "then\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n");
    exit(EXIT_SUCCESS);
}

static void
set_sync_exclude(struct db_options *options, const char *tables)
{
    char *error = set_excluded_tables(tables, false);

    if (error) {
        ovs_fatal(0, "%s", error);
    }
    options->sync_exclude = tables;
}

/* Handles option 'c'.  Sets '*no_dbs' for --no-dbs. */
static void
parse_option(struct db_options *options, int c, bool *no_dbs)
{
    switch (c) {
    case OPT_REMOTE:
        sset_add(&options->remotes, optarg);
        break;
    case OPT_UNIXCTL:
        options->unixctl = optarg;
        break;
    case OPT_RUN:
        options->run = optarg;
        break;
    case OPT_NO_DBS:
        *no_dbs = true;
        break;
    case OPT_SYNC_FROM:
        options->active_server = optarg;
        break;
    case OPT_SYNC_EXCLUDE_TABLES:
        set_sync_exclude(options, optarg);
        break;
    case OPT_ACTIVE:
        options->start_active = true;
        break;
    case OPT_DISABLE_FILE_COLUMN_DIFF:
        ovsdb_file_column_diff_disable();
        break;

    case 'h':
        usage();
    case 'V':
        ovs_print_version(0, 0);
        exit(EXIT_SUCCESS);
    case '?':
        exit(EXIT_FAILURE);

    VLOG_OPTION_HANDLERS
    DAEMON_OPTION_HANDLERS
    OVS_REPLAY_OPTION_HANDLERS

    default:
        OVS_NOT_REACHED();
    }
}

void
db_options_parse(struct db_options *options, int argc, char *argv[])
{
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    bool no_dbs = false;

    *options = (struct db_options) { .unixctl = NULL };
    sset_init(&options->specs);
    sset_init(&options->remotes);
    for (;;) {
        int c = getopt_long(argc, argv, short_options, long_options, NULL);

        if (c == -1) {
            break;
        }
        if (!tls_option_parse(&options->tls, c, optarg)) {
            parse_option(options, c, &no_dbs);
        }
    }
    free(short_options);

    sset_add_array(&options->specs, argv + optind, argc - optind);
    if (sset_is_empty(&options->specs) && !no_dbs) {
        sset_add_and_free(&options->specs,
                          xasprintf("%s/conf.db", ovs_dbdir()));
    }
}

void
db_options_uninit(struct db_options *options)
{
    sset_destroy(&options->specs);
    sset_destroy(&options->remotes);
}
