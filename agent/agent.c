/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "compile/choose-pa.h"
#include "compile/compile.h"
#include "compile/firewall-parts.h"
#include "compile/mtu.h"
#include "compile/pipeline.h"
#include "db/db.h"
#include "drop-counters.h"
#include "firewall-counters.h"
#include "firewall-log.h"
#include "host/groups.h"
#include "host/host.h"
#include "host/pa-watch.h"
#include "host/rewrite-net.h"
#include "host/rewrite-port.h"
#include "lockfile.h"
#include "learning.h"
#include "make-dirs.h"
#include "model/firewall.h"
#include "model/overlay.h"
#include "model/policy.h"
#include "model/rules.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "options.h"
#include "plan/plan.h"
#include "port-status.h"
#include "router-adverts.h"
#include "router-errors.h"
#include "simap.h"
#include "smap.h"
#include "sset.h"
#include "switch/switch.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent);

/* How long to wait for Open vSwitch's database, which may name another folder
 * for ours, before opening ours in the default one. */
#define HOST_WAIT_MS 5000

/* A "cur_cfg" to write once the switch has acknowledged 'seq'. */
struct pending_cfg {
    bool valid;
    uint64_t seq;
    int64_t cfg[N_DBS];
};

struct agent {
    const struct options *options;
    long long int host_deadline_ms;
    struct lockfile *run_dir_lock;

    struct db_server *db;
    bool serving;               /* Databases are open. */
    struct host *host;
    struct policy *policy;
    struct firewall_parts *firewall_parts;
    struct firewall_log *firewall_log;
    struct overlay *overlay;    /* The policy's space, and what is learned. */
    struct switch_link *link;
    char *backend;              /* Setting hnv-backend as last seen, or
                                 * NULL. */
    struct learning *learning;
    struct rewrite_net *rewrite_net;
    struct groups *groups;

    unsigned int host_seqno;    /* Of the view last compiled. */
    bool compiled;              /* At least once. */
    struct diag_set compile_diags; /* As last written. */
    struct sset remotes;        /* As last seen, useless ones too. */

    int64_t next_cfg[N_DBS];    /* As in the databases. */
    int64_t cur_cfg[N_DBS];
    struct pending_cfg pending;

    bool settled;               /* The switch has all that is wanted. */
    struct router_adverts router_adverts;
};

static void agent_open(struct agent *);
static void agent_update_remotes(struct agent *);
static void agent_compile(struct agent *);
static void agent_acknowledge(struct agent *, uint64_t seq);
static void agent_row_changed(const struct row_change *, void *agent_);
static void agent_take_punt(const struct punt *, void *agent_);

/* Space entries, as the switch link asks for them. */
static bool
find_space(const struct space_key *key, struct space_entry *ret_entry,
           void *agent_)
{
    const struct agent *agent = agent_;
    return overlay_find(agent->overlay, key, ret_entry);
}

static void
for_each_space(void (*cb)(const struct space_entry *, void *aux), void *aux,
               void *agent_)
{
    const struct agent *agent = agent_;
    overlay_for_each(agent->overlay, cb, aux);
}

/* Makes the folder of the databases' socket, which is one agent's at a time:
 * the socket would be whose agent came last. */
static struct lockfile *
take_run_dir(const char *dir)
{
    struct lockfile *lock;

    int error = make_dirs(dir);
    if (error) {
        VLOG_FATAL("%s: cannot create this folder for the databases' socket "
                   "(%s); create it or name another with --run-dir",
                   dir, ovs_strerror(error));
    }

    char *name = xasprintf("%s/hnv-agent", dir);
    error = lockfile_lock(name, &lock);
    if (error == EAGAIN) {
        VLOG_FATAL("%s: another hnv-agent has its databases' socket here; "
                   "stop it or name another folder with --run-dir", dir);
    } else if (error) {
        VLOG_FATAL("%s: cannot lock this folder for the databases' socket "
                   "(%s); make it writable or name another with --run-dir",
                   dir, ovs_strerror(error));
    }
    free(name);
    return lock;
}

/* Changes of the space go straight on to the switch. */
static void
put_space(const struct space_entry *entry, void *agent_)
{
    struct agent *agent = agent_;
    switch_space_put(agent->link, entry);
}

static void
remove_space(const struct space_key *key, void *agent_)
{
    struct agent *agent = agent_;
    switch_space_remove(agent->link, key);
}

struct agent *
agent_create(const struct options *options)
{
    struct agent *agent = xzalloc(sizeof *agent);

    agent->run_dir_lock = take_run_dir(options->run_dir);
    agent->options = options;
    agent->host_deadline_ms = time_msec() + HOST_WAIT_MS;
    agent->db = db_server_create();
    agent->host = host_create(options->ovsdb, pipeline_table_name);
    host_override_bridge(agent->host, options->bridge);
    agent->policy = policy_create();
    agent->firewall_parts = firewall_parts_create();
    agent->firewall_log = firewall_log_create();
    agent->link = switch_create(&(struct space_source) {
        .find = find_space,
        .for_each = for_each_space,
        .aux = agent,
    });
    agent->overlay = overlay_create(agent->policy, &(struct overlay_sink) {
        .put = put_space,
        .remove = remove_space,
        .aux = agent,
    });
    agent->learning = learning_create(agent->policy, agent->overlay,
                                      agent->link, agent->db);
    agent->rewrite_net = rewrite_net_create();
    switch_set_punt_cb(agent->link, agent_take_punt, agent);
    agent->groups = groups_create();
    diag_set_init(&agent->compile_diags);
    sset_init(&agent->remotes);
    return agent;
}

void
agent_destroy(struct agent *agent)
{
    if (agent) {
        learning_destroy(agent->learning);
        overlay_destroy(agent->overlay);
        switch_destroy(agent->link);
        free(agent->backend);
        groups_destroy(agent->groups);
        db_server_destroy(agent->db);
        firewall_log_destroy(agent->firewall_log);
        firewall_parts_destroy(agent->firewall_parts);
        policy_destroy(agent->policy);
        host_destroy(agent->host);
        rewrite_net_destroy(agent->rewrite_net);
        diag_set_uninit(&agent->compile_diags);
        sset_destroy(&agent->remotes);
        lockfile_unlock(agent->run_dir_lock);
        free(agent);
    }
}

bool
agent_is_serving(const struct agent *agent)
{
    return agent->serving;
}

/* What policy_settle() reports goes straight on. */
static void
put_policy_space(const struct space_entry *entry, void *agent_)
{
    struct agent *agent = agent_;

    overlay_policy_put(agent->overlay, entry);
    learning_policy_changed(agent->learning, &entry->key);
    if (entry->key.kind == SPACE_BY_PA) {
        rewrite_net_set(agent->rewrite_net, &entry->key.pa,
                        entry->where.encap == SPACE_LOCAL);
    }
}

static void
remove_policy_space(const struct space_key *key, void *agent_)
{
    struct agent *agent = agent_;

    overlay_policy_remove(agent->overlay, key);
    if (key->kind == SPACE_BY_PA) {
        rewrite_net_set(agent->rewrite_net, &key->pa, false);
    }
}

static void
put_diag(const struct diag *diag, void *agent_)
{
    struct agent *agent = agent_;
    db_server_put_diag(agent->db, diag);
}

static void
remove_diag(const struct diag *diag, void *agent_)
{
    struct agent *agent = agent_;
    db_server_remove_diag(agent->db, diag);
}

static bool
agent_settle_policy(struct agent *agent)
{
    const struct policy_sink sink = {
        .space_put = put_policy_space,
        .space_remove = remove_policy_space,
        .diag_put = put_diag,
        .diag_remove = remove_diag,
        .aux = agent,
    };
    return policy_settle(agent->policy, &sink);
}

static void
agent_watch_pas(struct agent *agent)
{
    const struct rules *rules = policy_rules(agent->policy);
    struct pa_place *places = xcalloc(MAX(rules->n_pas, 1), sizeof *places);

    for (size_t i = 0; i < rules->n_pas; i++) {
        places[i].addr = rules->pas[i];
        places[i].vlan = rules->pa_vlans[i];
    }
    host_watch_pas(agent->host, places, rules->n_pas, rules->pa_vrf);
    free(places);
}

static void
agent_set_rewrite(struct agent *agent)
{
    bool wanted = policy_rules(agent->policy)->rewrite;

    host_set_rewrite(agent->host, &(struct rewrite_port) {
        .mac = wanted ? REWRITE_HOST_MAC : NULL,
        .mtu = wanted ? mtu_of_rewrite(host_get_view(agent->host)) : 0,
    });
}

static void
agent_set_backend(struct agent *agent)
{
    const char *setting = host_setting(agent->host, "hnv-backend");

    if (nullable_string_is_equal(setting, agent->backend)) {
        return;
    }
    free(agent->backend);
    agent->backend = nullable_xstrdup(setting);

    bool stock = setting && !strcmp(setting, "stock");

    if (setting && !stock && strcmp(setting, "hnv")) {
        VLOG_WARN("external_ids:hnv-backend \"%s\" is neither \"stock\" nor "
                  "\"hnv\"; using what the switch can do", setting);
    }
    switch_set_backend(agent->link,
                       stock ? SWITCH_BACKEND_STOCK : SWITCH_BACKEND_HNV);
}

/* Brings the switch link up to date with the policy and the host.  Nothing of
 * this happens before the host's ports are known: a plan without them would
 * take away their flows. */
static void
agent_apply(struct agent *agent)
{
    db_server_ensure_host(agent->db, host_system_id(agent->host));
    policy_set_host_name(agent->policy, host_system_id(agent->host));

    if (policy_is_unsettled(agent->policy)) {
        firewall_log_forget(agent->firewall_log);
    }

    bool changed = agent_settle_policy(agent);
    agent_watch_pas(agent);
    host_set_spaces(agent->host, switch_has_spaces(agent->link));
    if (changed || !agent->compiled
        || agent->host_seqno != host_view_seqno(agent->host)) {
        agent_compile(agent);
    }
    learning_policy_settled(agent->learning);
    agent_set_rewrite(agent);
    rewrite_net_run(agent->rewrite_net);
    agent_set_backend(agent);
    switch_set_target(agent->link, host_bridge_target(agent->host));
}

void
agent_run(struct agent *agent)
{
    host_run(agent->host);
    if (!agent->serving) {
        agent_open(agent);
        if (!agent->serving) {
            return;
        }
    }
    agent_update_remotes(agent);

    /* A switch that is slower than the controller slows the controller down,
     * instead of making the agent hold what the switch has not taken yet. */
    if (!switch_is_congested(agent->link)) {
        db_server_run(agent->db);
    }

    /* Whatever the switch says in switch_run() has to be acted on right
     * after: nothing else might wake the loop. */
    if (host_is_ready(agent->host)) {
        agent_apply(agent);
        learning_run(agent->learning);

        uint64_t seq = switch_flush(agent->link);
        switch_run(agent->link);
        agent_acknowledge(agent, seq);
        agent->settled = switch_acked(agent->link) >= seq;
        if (agent->settled) {
            router_adverts_run(&agent->router_adverts,
                               policy_rules(agent->policy), agent->link);
        }
    } else {
        agent->settled = false;
        switch_run(agent->link);
    }
    groups_run(agent->groups);
    db_server_flush(agent->db);
}

void
agent_wait(struct agent *agent)
{
    host_wait(agent->host);
    if (!agent->serving) {
        poll_timer_wait_until(agent->host_deadline_ms);
        return;
    }
    if (!switch_is_congested(agent->link)) {
        db_server_wait(agent->db);
    }
    if (host_is_ready(agent->host)) {
        if (policy_is_unsettled(agent->policy)) {
            poll_immediate_wake();
        }
        learning_wait(agent->learning);
        rewrite_net_wait(agent->rewrite_net);
    }
    if (agent->settled) {
        router_adverts_wait(&agent->router_adverts);
    }
    groups_wait(agent->groups);
    switch_wait(agent->link);
}

/* Folder of the databases: the option's, else the setting's, else the
 * default.  NULL if that cannot be said yet. */
static const char *
agent_db_dir(const struct agent *agent)
{
    if (agent->options->db_dir) {
        return agent->options->db_dir;
    }
    if (!host_is_ready(agent->host)
        && time_msec() < agent->host_deadline_ms) {
        return NULL;
    }
    const char *dir = host_setting(agent->host, "hnv-db-dir");
    return dir ? dir : HNV_DBDIR;
}

static void
agent_open(struct agent *agent)
{
    const char *dir = agent_db_dir(agent);

    if (!dir) {
        return;
    }
    char *error = db_server_open_policy(agent->db, dir);
    if (error) {
        VLOG_FATAL("%s", error);
    }
    db_server_set_durable(agent->db, agent->options->durable);
    if (agent->options->tls.private_key) {
        db_server_set_tls(agent->db, &agent->options->tls);
    }
    db_server_register_commands(agent->db);
    db_server_feed(agent->db, agent_row_changed, agent);
    agent->serving = true;
    VLOG_INFO("serving the databases in %s", dir);
}

static void
add_remotes(struct sset *to, const struct sset *from)
{
    const char *remote;

    SSET_FOR_EACH (remote, from) {
        sset_add(to, remote);
    }
}

/* Remotes that are neither from the Manager table nor the Unix socket, which
 * both are always there. */
static void
add_configured_remotes(const struct agent *agent, struct sset *remotes)
{
    const char *setting = host_setting(agent->host, "hnv-remotes");

    if (!sset_is_empty(&agent->options->remotes)) {
        add_remotes(remotes, &agent->options->remotes);
    } else if (setting) {
        struct sset named;

        sset_from_delimited_string(&named, setting, " \t\r\n");
        add_remotes(remotes, &named);
        sset_destroy(&named);
    } else {
        sset_add(remotes, "ptcp:6641:127.0.0.1");
        if (agent->options->tls.private_key) {
            sset_add(remotes, "pssl:6640");
        }
    }
}

/* Says of each remote that cannot be used why, and takes it out. */
static void
drop_unusable_remotes(const struct agent *agent, struct sset *remotes)
{
    const char *remote;

    SSET_FOR_EACH_SAFE (remote, remotes) {
        char *error = db_server_check_remote(agent->db, remote);

        if (error) {
            VLOG_WARN("%s; ignored", error);
            free(error);
            sset_find_and_delete(remotes, remote);
        }
    }
}

static void
agent_update_remotes(struct agent *agent)
{
    struct sset remotes = SSET_INITIALIZER(&remotes);

    sset_add_and_free(&remotes, xasprintf("punix:%s/db.sock",
                                          agent->options->run_dir));
    sset_add(&remotes, "db:ms_vtep,Global,managers");
    add_configured_remotes(agent, &remotes);
    if (!sset_equals(&remotes, &agent->remotes)) {
        sset_destroy(&agent->remotes);
        sset_clone(&agent->remotes, &remotes);
        drop_unusable_remotes(agent, &remotes);
        db_server_set_remotes(agent->db, &remotes);
    }
    sset_destroy(&remotes);
}

static void
agent_row_changed(const struct row_change *change, void *agent_)
{
    struct agent *agent = agent_;

    if (change->row.table == ROW_GLOBAL) {
        /* A deleted row says nothing: another takes its place, the
         * controller's or ours. */
        if (!change->deleted) {
            const struct row_global *global = &change->row.global;

            agent->next_cfg[global->db] = global->next_cfg;
            agent->cur_cfg[global->db] = global->cur_cfg;
        }
    } else {
        policy_apply(agent->policy, change);
    }
}

/* Takes a packet that no flow can answer, or that tells of an address. */
static void
agent_take_punt(const struct punt *punt, void *agent_)
{
    struct agent *agent = agent_;
    const struct rules *rules = policy_rules(agent->policy);

    switch (punt->kind) {
    case PUNT_NONE:
        break;
    case PUNT_ROUTER_SOLICIT:
        router_adverts_answer(punt, rules, agent->link);
        break;
    case PUNT_TTL:
    case PUNT_NO_ROUTE:
    case PUNT_NO_HOST:
    case PUNT_TO_ROUTER:
    case PUNT_TOO_LONG:
        router_errors_answer(punt, rules, agent->link);
        break;
    case PUNT_LEARN:
    case PUNT_SOLICIT:
        learning_take(agent->learning, punt);
        break;
    case PUNT_FIREWALL_LOG:
        firewall_log_take(agent->firewall_log, punt,
                          policy_firewall(agent->policy),
                          host_get_view(agent->host));
        break;
    }
}

/* Writes the compiler's diagnostics, as far as they differ from before. */
static void
agent_update_diags(struct agent *agent, struct diag_set *diags)
{
    const struct diag *diag;

    DIAG_SET_FOR_EACH (diag, &agent->compile_diags) {
        if (!diag_set_find(diags, &diag->row, diag->column, diag->code)) {
            db_server_remove_diag(agent->db, diag);
        }
    }
    DIAG_SET_FOR_EACH (diag, diags) {
        db_server_put_diag(agent->db, diag);
    }

    struct diag_set old = agent->compile_diags;
    agent->compile_diags = *diags;
    hmap_moved(&agent->compile_diags.diags);
    *diags = old;
    hmap_moved(&diags->diags);
}

/* On the uplinks: no other PA is on an interface. */
static void
agent_join_groups(struct agent *agent, const struct compiled *compiled)
{
    const struct rules *rules = policy_rules(agent->policy);
    struct in6_addr *pas = xcalloc(MAX(rules->n_pas, 1), sizeof *pas);
    size_t n = 0;

    for (size_t i = 0; i < rules->n_pas; i++) {
        if (pa_is_uplink(rules, host_get_view(agent->host), &rules->pas[i])) {
            pas[n++] = rules->pas[i];
        }
    }
    groups_set(agent->groups, compiled->groups, compiled->n_groups, pas, n);
    free(pas);
}

static void
agent_compile(struct agent *agent)
{
    struct compiled *compiled = compile(policy_rules(agent->policy),
                                        policy_firewall(agent->policy),
                                        host_get_view(agent->host),
                                        agent->firewall_parts);

    switch_set_plan(agent->link, compiled->plan);
    compiled->plan = NULL;
    for (size_t i = 0; i < compiled->n_ports; i++) {
        const struct bound_port *bound = &compiled->ports[i];
        struct smap status = SMAP_INITIALIZER(&status);

        port_status_fill(bound, &status);
        db_server_set_port_status(agent->db, &bound->port->row, &status);
        smap_destroy(&status);
    }
    agent_join_groups(agent, compiled);
    agent_update_diags(agent, &compiled->diags);
    learning_adopt(agent->learning, policy_rules(agent->policy), compiled,
                   host_get_view(agent->host));
    compiled_destroy(compiled);

    agent->host_seqno = host_view_seqno(agent->host);
    if (!agent->compiled) {
        agent->compiled = true;
        db_server_prune_diags(agent->db);
    }
}

/* Raises cur_cfg where the switch has acknowledged what belongs to it, and
 * notes what is to be acknowledged next: everything that 'next_cfg' stands for
 * now is in the switch once it reaches 'seq'. */
static void
agent_acknowledge(struct agent *agent, uint64_t seq)
{
    struct pending_cfg *pending = &agent->pending;

    if (pending->valid && switch_acked(agent->link) >= pending->seq) {
        for (enum db_id id = 0; id < N_DBS; id++) {
            if (pending->cfg[id] != agent->cur_cfg[id]) {
                db_server_set_cur_cfg(agent->db, id, pending->cfg[id]);
                agent->cur_cfg[id] = pending->cfg[id];
            }
        }
        pending->valid = false;
    }
    if (!pending->valid
        && memcmp(agent->next_cfg, agent->cur_cfg, sizeof agent->cur_cfg)) {
        pending->valid = true;
        pending->seq = seq;
        memcpy(pending->cfg, agent->next_cfg, sizeof pending->cfg);
        poll_immediate_wake();
    }
}

void
agent_get_memory_usage(const struct agent *agent, struct simap *usage)
{
    db_server_get_memory_usage(agent->db, usage);
    simap_increase(usage, "mappings", policy_count_mappings(agent->policy));
    simap_increase(usage, "space-entries", policy_count_space(agent->policy));
    simap_increase(usage, "peers", policy_count_peers(agent->policy));
    simap_increase(usage, "firewall-rules",
                   firewall_count_rows(policy_firewall(agent->policy)));
    simap_increase(usage, "learned-entries",
                   overlay_count_learned(agent->overlay));
}

static void
hnv_status(struct unixctl_conn *conn, int argc OVS_UNUSED,
           const char *argv[] OVS_UNUSED, void *agent_)
{
    const struct agent *agent = agent_;
    const struct rules *rules = policy_rules(agent->policy);
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "Open vSwitch database: %s\n",
                  host_is_ready(agent->host) ? "read" : "not read yet");
    ds_put_format(&s, "policy: %"PRIuSIZE" subnets, %"PRIuSIZE" ports, "
                  "%"PRIuSIZE" mappings, %"PRIuSIZE" space entries\n",
                  rules->n_subnets, rules->n_ports,
                  policy_count_mappings(agent->policy),
                  policy_count_space(agent->policy));
    switch_format_status(agent->link, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
hnv_plan(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *agent_)
{
    const struct agent *agent = agent_;
    const struct plan *plan = switch_plan(agent->link);
    struct ds s = DS_EMPTY_INITIALIZER;

    if (plan) {
        plan_format(plan, pipeline_table_name, &s);
    }
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
hnv_learned(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[] OVS_UNUSED, void *agent_)
{
    const struct agent *agent = agent_;
    struct ds s = DS_EMPTY_INITIALIZER;

    learning_format(agent->learning, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

void
agent_register_commands(struct agent *agent)
{
    unixctl_command_register("hnv/learned", "", 0, 0, hnv_learned, agent);
    unixctl_command_register("hnv/status", "", 0, 0, hnv_status, agent);
    drop_counters_register(agent->link);
    firewall_counters_register(agent->link, agent->policy);
    firewall_log_register_commands(agent->firewall_log);
    unixctl_command_register("hnv/plan", "", 0, 0, hnv_plan, agent);
}
