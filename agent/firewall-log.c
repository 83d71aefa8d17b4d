/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "firewall-log.h"
#include <stdlib.h>
#include <string.h>
#include "compile/pipeline.h"
#include "dirs.h"
#include "firewall-log-line.h"
#include "hash.h"
#include "host/host-view.h"
#include "log-file.h"
#include "model/firewall.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "switch/switch.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

#define LIMIT_BYTES (16 << 20)

/* A rule as flows know it, and what its row calls it. */
struct known_rule {
    struct hmap_node node;
    uint32_t set;
    uint32_t id;
    enum fw_layer layer;
    enum fw_direction direction;
    bool allow;
    char *port;
    char *rule_id;
};

struct firewall_log {
    struct log_file *file;
    struct hmap rules;          /* Contains "struct known_rule"s, of rules that
                                 * are logged.  Empty, and not valid, until a
                                 * packet asks for one. */
    bool valid;
};

struct firewall_log *
firewall_log_create(void)
{
    struct firewall_log *log = xzalloc(sizeof *log);
    char *name = xasprintf("%s/firewall.log", ovs_logdir());

    log->file = log_file_create(name, LIMIT_BYTES);
    hmap_init(&log->rules);
    free(name);
    return log;
}

void
firewall_log_destroy(struct firewall_log *log)
{
    if (log) {
        firewall_log_forget(log);
        hmap_destroy(&log->rules);
        log_file_destroy(log->file);
        free(log);
    }
}

void
firewall_log_forget(struct firewall_log *log)
{
    struct known_rule *rule;

    HMAP_FOR_EACH_POP (rule, node, &log->rules) {
        free(rule->rule_id);
        free(rule->port);
        free(rule);
    }
    log->valid = false;
}

static uint32_t
hash_of(uint32_t set, uint32_t id, const char *port)
{
    return hash_string(port, hash_2words(set, id));
}

static void
know(const struct fw_row_view *view, void *log_)
{
    struct firewall_log *log = log_;

    if (!view->rule->log) {
        return;
    }

    struct known_rule *rule = xmalloc(sizeof *rule);

    *rule = (struct known_rule) {
        .set = view->set->number,
        .id = view->id,
        .layer = view->layer,
        .direction = view->direction,
        .allow = view->rule->allow,
        .port = xstrdup(view->port),
        .rule_id = xstrdup(view->rule_id),
    };
    hmap_insert(&log->rules, &rule->node,
                hash_of(rule->set, rule->id, rule->port));
}

/* Several rows may say the same; then it is the first of them in the order of
 * their names that decides. */
static const struct known_rule *
find_rule(const struct firewall_log *log, const struct known_rule *wanted)
{
    const struct known_rule *found = NULL;
    const struct known_rule *rule;

    HMAP_FOR_EACH_WITH_HASH (rule, node,
                             hash_of(wanted->set, wanted->id, wanted->port),
                             &log->rules) {
        if (rule->set == wanted->set && rule->id == wanted->id
            && rule->layer == wanted->layer
            && rule->direction == wanted->direction
            && !strcmp(rule->port, wanted->port)
            && (!found || strcmp(rule->rule_id, found->rule_id) < 0)) {
            found = rule;
        }
    }
    return found;
}

static char *
port_of(const struct punt *punt, bool in, const struct host_view *host)
{
    ofp_port_t ofport = (in ? u16_to_ofp(punt->flow.regs[REG_IDX_OUT_PORT])
                         : punt->flow.in_port.ofp_port);

    for (size_t i = 0; i < host->n_ports; i++) {
        if (host->ports[i].ofport == ofport) {
            return host->ports[i].iface_id;
        }
    }
    return NULL;
}

void
firewall_log_take(struct firewall_log *log, const struct punt *punt,
                  const struct firewall *fw, const struct host_view *host)
{
    uint32_t whose = punt->flow.regs[REG_IDX_FW];
    bool in = whose & FW_IN_BIT;
    const struct known_rule wanted = {
        .set = punt->flow.regs[REG_IDX_FW_SET],
        .id = punt->flow.regs[REG_IDX_FW_RULE],
        .layer = (whose & FW_CONTROLLER_BIT ? FW_CONTROLLER : FW_ADMIN),
        .direction = in ? FW_INBOUND : FW_OUTBOUND,
        .port = port_of(punt, in, host),
    };

    if (!wanted.port) {
        return;
    }
    if (!log->valid) {
        firewall_for_each_row(fw, know, log);
        log->valid = true;
    }

    /* The rules may be newer than the packet. */
    const struct known_rule *rule = find_rule(log, &wanted);

    if (rule) {
        const struct firewall_log_event event = {
            .wall_ms = time_wall_msec(),
            .port = rule->port,
            .rule_id = rule->rule_id,
            .direction = rule->direction,
            .allow = rule->allow,
            .packet = punt->packet,
            .size = punt->size,
        };
        struct ds line = DS_EMPTY_INITIALIZER;

        firewall_log_line(&event, &line);
        log_file_write(log->file, ds_cstr(&line));
        ds_destroy(&line);
    }
}

static void
fw_reopen_log(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *log_)
{
    struct firewall_log *log = log_;

    log_file_reopen(log->file);
    unixctl_command_reply(conn, NULL);
}

void
firewall_log_register_commands(struct firewall_log *log)
{
    unixctl_command_register("fw/reopen-log", "", 0, 0, fw_reopen_log, log);
}
