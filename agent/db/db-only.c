/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-only.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "command-line.h"
#include "daemon.h"
#include "db/db-options.h"
#include "db/db-private.h"
#include "db/saved-config.h"
#include "dns-resolve.h"
#include "fatal-signal.h"
#include "memory.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-error.h"
#include "ovsdb/replication.h"
#include "perf-counter.h"
#include "process.h"
#include "simap.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(db_only);

/* The running program. */
struct db_only {
    struct db_server *server;
    struct unixctl_server *unixctl;
    FILE *config_file;
    struct process *child;      /* Of --run, or NULL. */
    bool exiting;
};

/* Starting. */

/* Makes the file that outlives a crash, from the command line. */
static FILE *
create_config_file(const struct db_options *options)
{
    FILE *file = tmpfile();
    if (!file) {
        ovs_fatal(errno, "failed to create temporary file");
    }

    struct saved_config config = {
        .active_server = nullable_xstrdup(options->active_server),
        .sync_exclude = nullable_xstrdup(options->sync_exclude),
        .is_backup = options->active_server && !options->start_active,
    };
    sset_clone(&config.specs, &options->specs);
    sset_clone(&config.remotes, &options->remotes);
    saved_config_write(&config, file);
    saved_config_uninit(&config);
    return file;
}

static void
keep_config(void *p_)
{
    struct db_only *p = p_;
    struct saved_config config;

    saved_config_from_server(&config, p->server);
    saved_config_write(&config, p->config_file);
    saved_config_uninit(&config);
}

static void
open_dbs(struct db_server *server, const struct sset *specs)
{
    const char *spec;

    SSET_FOR_EACH (spec, specs) {
        struct ovsdb_error *error = db_open(server, spec);

        if (error) {
            ovs_fatal(0, "%s", ovsdb_error_to_string_free(error));
        }
    }
}

/* Creates the server as configured last.  What is wrong with its remotes or
 * keys from the start ends the program, later it is only logged. */
static void
create_server(struct db_only *p, const struct db_options *options)
{
    struct saved_config config;

    saved_config_read(&config, p->config_file);
    p->server = db_server_create();
    db_backup_configure(p->server, config.active_server, config.sync_exclude,
                        config.is_backup);
    db_server_set_tls(p->server, &options->tls);
    open_dbs(p->server, &config.specs);
    db_server_set_remotes(p->server, &config.remotes);
    saved_config_uninit(&config);

    char *error = db_remotes_apply(p->server);
    if (!error) {
        error = db_tls_apply(p->server);
    }
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    p->server->config_changed = keep_config;
    p->server->config_aux = p;
}

static struct process *
start_child(const char *command)
{
    char *argv[] = { (char []) { "/bin/sh" }, (char []) { "-c" },
                     CONST_CAST(char *, command), NULL };
    struct process *child;
    int error = process_start(argv, &child);

    if (error) {
        ovs_fatal(error, "%s: process failed to start", command);
    }
    return child;
}

static void
cmd_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *p_)
{
    struct db_only *p = p_;

    p->exiting = true;
    unixctl_command_reply(conn, NULL);
}

static void
start(struct db_only *p, const struct db_options *options)
{
    create_server(p, options);
    if (unixctl_server_create(options->unixctl, &p->unixctl)) {
        exit(EXIT_FAILURE);
    }
    if (options->run) {
        p->child = start_child(options->run);
    }
    daemonize_complete();
    if (!options->run) {
        VLOG_INFO("%s (ovs-hnv) %s", program_name, PACKAGE_VERSION);
    }

    unixctl_command_register("exit", "", 0, 0, cmd_exit, p);
    db_server_register_commands(p->server);
    db_backup_restart(p->server);
}

/* Running. */

static void
report_memory(const struct db_only *p)
{
    memory_run();
    if (memory_should_report()) {
        struct simap usage;

        simap_init(&usage);
        db_server_get_memory_usage(p->server, &usage);
        memory_report(&usage);
        simap_destroy(&usage);
    }
}

static void
run(struct db_only *p)
{
    report_memory(p);
    /* Before the server, so that it acts upon changed remotes at once. */
    unixctl_server_run(p->unixctl);
    db_server_run(p->server);
    if (p->child) {
        process_run();
        if (process_exited(p->child)) {
            p->exiting = true;
        }
    }
}

static void
wait(struct db_only *p)
{
    memory_wait();
    unixctl_server_wait(p->unixctl);
    db_server_wait(p->server);
    if (p->child) {
        process_wait(p->child);
    }
    if (p->exiting) {
        /* Once more around, for the reply to the command to go out. */
        poll_immediate_wake();
    }
}

static void
stop(struct db_only *p)
{
    p->server->config_changed = NULL;
    db_server_destroy(p->server);
    unixctl_server_destroy(p->unixctl);
    replication_destroy();
    fclose(p->config_file);
}

static void
check_child(struct process *child, const char *command)
{
    if (child && process_exited(child)) {
        int status = process_status(child);

        if (status) {
            ovs_fatal(0, "%s: child exited, %s",
                      command, process_status_msg(status));
        }
    }
}

int
db_only_main(int argc, char *argv[])
{
    /* Drop "--db-only". */
    argv[1] = argv[0];
    argc--;
    argv++;

    ovs_cmdl_proctitle_init(argc, argv);
    service_start(&argc, &argv);
    fatal_ignore_sigpipe();
    process_init();
    dns_resolve_init(true);
    perf_counters_init();

    struct db_options options;
    db_options_parse(&options, argc, argv);
    daemon_become_new_user(false);

    struct db_only p = { .config_file = create_config_file(&options) };
    daemonize_start(false);
    start(&p, &options);
    while (!p.exiting) {
        run(&p);
        wait(&p);
        poll_block();
    }
    stop(&p);
    check_child(p.child, options.run);

    db_options_uninit(&options);
    dns_resolve_destroy();
    perf_counters_destroy();
    service_stop();
    return 0;
}
