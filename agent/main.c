/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "command-line.h"
#include "daemon.h"
#include "db/db-only.h"
#include "dirs.h"
#include "dns-resolve.h"
#include "fatal-signal.h"
#include "make-dirs.h"
#include "memory.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "options.h"
#include "simap.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(main);

static void
exit_cb(struct unixctl_conn *conn, int argc OVS_UNUSED,
        const char *argv[] OVS_UNUSED, void *exiting_)
{
    bool *exiting = exiting_;

    *exiting = true;
    unixctl_command_reply(conn, NULL);
}

static void
report_memory(const struct agent *agent)
{
    memory_run();
    if (memory_should_report()) {
        struct simap usage = SIMAP_INITIALIZER(&usage);

        agent_get_memory_usage(agent, &usage);
        memory_report(&usage);
        simap_destroy(&usage);
    }
}

static int
agent_main(int argc, char *argv[])
{
    struct options options;
    struct unixctl_server *unixctl;
    bool exiting = false;

    ovs_cmdl_proctitle_init(argc, argv);
    options_parse(&options, argc, argv);
    if (!options.unixctl_path) {
        /* Control socket and pid file are where Open vSwitch has its own.  It
         * makes that folder, but need not have been started yet.  If this
         * fails, whoever makes a file there says so. */
        make_dirs(ovs_rundir());
    }
    fatal_ignore_sigpipe();
    dns_resolve_init(true);
    daemon_become_new_user(false);
    daemonize_start(false);

    if (unixctl_server_create(options.unixctl_path, &unixctl)) {
        exit(EXIT_FAILURE);
    }
    unixctl_command_register("exit", "", 0, 0, exit_cb, &exiting);

    struct agent *agent = agent_create(&options);
    agent_register_commands(agent);

    bool started = false;
    while (!exiting) {
        report_memory(agent);
        unixctl_server_run(unixctl);
        agent_run(agent);
        if (!started && agent_is_serving(agent)) {
            started = true;
            daemonize_complete();
            VLOG_INFO("%s %s started", program_name, PACKAGE_VERSION);
        }

        memory_wait();
        unixctl_server_wait(unixctl);
        agent_wait(agent);
        if (exiting) {
            poll_immediate_wake();
        }
        poll_block();
    }

    agent_destroy(agent);
    unixctl_server_destroy(unixctl);
    options_uninit(&options);
    dns_resolve_destroy();
    return EXIT_SUCCESS;
}

/* Logs go to the agent's own folder unless the environment says otherwise.
 * "--log-file" alone means a file there, so then it is made; should that fail,
 * it is --log-file that says so. */
static void
choose_log_dir(int argc, char *argv[])
{
    if (getenv("OVS_LOGDIR")) {
        return;
    }
    setenv("OVS_LOGDIR", HNV_LOGDIR, true);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--log-file")) {
            make_dirs(HNV_LOGDIR);
        }
    }
}

int
main(int argc, char *argv[])
{
    ovs_set_program_name(argv[0], PACKAGE_VERSION);
    if (argc > 1 && !strcmp(argv[1], "--db-only")) {
        return db_only_main(argc, argv);
    }

    choose_log_dir(argc, argv);
    return agent_main(argc, argv);
}
