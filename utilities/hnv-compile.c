/* SPDX-License-Identifier: Apache-2.0 */

/* hnv-compile: what the agent would make of a policy, without a switch.
 *
 * Reads transactions and a description of the host, runs them through the same
 * database engine, policy model and compiler as the agent, and prints what
 * comes out: flows, mappings, what became of each port, and diagnostics.  The
 * output is the same in every run, for comparison with what was expected. */

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compile/compile.h"
#include "compile/pipeline.h"
#include "db/db.h"
#include "host/host-view.h"
#include "model/policy.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "plan/plan.h"
#include "svec.h"
#include "util.h"
#include "util/addr.h"
#include "util/diag.h"

/* Name of the Physical_Switch row that the agent makes for itself. */
#define HOST_NAME "host"

struct model {
    struct policy *policy;
    struct diag_set diags;
};

static void
apply_change(const struct row_change *change, void *model_)
{
    struct model *model = model_;

    if (change->row.table != ROW_GLOBAL) {
        policy_apply(model->policy, change);
    }
}

static void
ignore_entry(const struct space_entry *entry OVS_UNUSED, void *aux OVS_UNUSED)
{
}

static void
ignore_key(const struct space_key *key OVS_UNUSED, void *aux OVS_UNUSED)
{
}

static void
put_diag(const struct diag *diag, void *model_)
{
    struct model *model = model_;
    diag_set_add_copy(&model->diags, diag);
}

static void
remove_diag(const struct diag *diag, void *model_)
{
    struct model *model = model_;
    diag_set_remove(&model->diags, diag);
}

static void
settle(struct model *model)
{
    const struct policy_sink sink = {
        .space_put = ignore_entry,
        .space_remove = ignore_key,
        .diag_put = put_diag,
        .diag_remove = remove_diag,
        .aux = model,
    };
    policy_settle(model->policy, &sink);
}

/* Runs the transactions in 'file', a JSON array of "transact" parameters. */
static void
run_policy_file(struct db_server *db, const char *file)
{
    struct json *json = json_from_file(file);

    if (json->type == JSON_STRING) {
        ovs_fatal(0, "%s", json_string(json));
    } else if (json->type != JSON_ARRAY) {
        ovs_fatal(0, "%s: not an array of transactions", file);
    }
    for (size_t i = 0; i < json->array.n; i++) {
        char *params = json_to_string(json->array.elems[i], 0);
        char *result;

        if (!db_server_transact(db, params, &result)) {
            ovs_fatal(0, "%s: transaction %"PRIuSIZE" failed: %s",
                      file, i, result);
        }
        free(params);
        free(result);
    }
    json_destroy(json);
}

static ofp_port_t
parse_ofport(const char *s, const char *file, int line)
{
    unsigned int port;

    if (!s || !str_to_uint(s, 10, &port)) {
        ovs_fatal(0, "%s:%d: OpenFlow port number expected", file, line);
    }
    return port ? OFP_PORT_C(port) : OFPP_NONE;
}

/* "port IFACE-ID NAME OFPORT MAC", OFPORT 0 for not there yet, MAC "-" for
 * none. */
static void
parse_port(struct host_view *view, char **save, const char *file, int line)
{
    struct host_port *port = host_view_add_port(view);
    const char *iface_id = strtok_r(NULL, " \t\n", save);
    const char *name = strtok_r(NULL, " \t\n", save);
    char guid[128];

    if (!iface_id || !name
        || !addr_guid_normalize(iface_id, guid, sizeof guid)) {
        ovs_fatal(0, "%s:%d: \"port IFACE-ID NAME OFPORT MAC\" expected",
                  file, line);
    }
    port->iface_id = xstrdup(guid);
    port->name = xstrdup(name);
    port->port_id = xstrdup(name);
    port->vm_name = xstrdup("");
    port->ofport = parse_ofport(strtok_r(NULL, " \t\n", save), file, line);

    const char *mac = strtok_r(NULL, " \t\n", save);
    port->has_mac = mac && addr_mac_parse(mac, &port->mac);
}

/* Reads a host: lines "vxlan OFPORT", "nvgre OFPORT", "rewrite OFPORT",
 * "port ...", "userspace", "spaces", and comments that begin with "#". */
static struct host_view *
read_host_file(const char *file)
{
    FILE *stream = fopen(file, "r");
    struct host_view *view = host_view_create();
    struct ds text = DS_EMPTY_INITIALIZER;

    if (!stream) {
        ovs_fatal(errno, "%s: cannot be opened", file);
    }
    for (int line = 0; !ds_get_preprocessed_line(&text, stream, &line); ) {
        char *save = NULL;
        const char *word = strtok_r(ds_cstr(&text), " \t\n", &save);

        if (!strcmp(word, "vxlan")) {
            view->vxlan = parse_ofport(strtok_r(NULL, " \t\n", &save),
                                       file, line);
        } else if (!strcmp(word, "nvgre")) {
            view->nvgre = parse_ofport(strtok_r(NULL, " \t\n", &save),
                                       file, line);
        } else if (!strcmp(word, "rewrite")) {
            view->rewrite = parse_ofport(strtok_r(NULL, " \t\n", &save),
                                         file, line);
        } else if (!strcmp(word, "userspace")) {
            view->userspace = true;
        } else if (!strcmp(word, "spaces")) {
            view->spaces = true;
        } else if (!strcmp(word, "port")) {
            parse_port(view, &save, file, line);
        } else {
            ovs_fatal(0, "%s:%d: unknown word \"%s\"", file, line, word);
        }
    }
    ds_destroy(&text);
    fclose(stream);
    host_view_sort(view);
    return view;
}

static void
print_sorted(const char *title, struct svec *lines)
{
    const char *line;
    size_t i;

    svec_sort(lines);
    printf("%s:\n", title);
    SVEC_FOR_EACH (i, line, lines) {
        printf("  %s\n", line);
    }
    svec_destroy(lines);
}

/* Returns true if there is an answer, too. */
static bool
format_key(const struct space_entry *entry, struct ds *s)
{
    const struct space_key *key = &entry->key;
    char buf[ADDR_STRLEN];

    switch (key->kind) {
    case SPACE_BY_CA:
        ds_put_format(s, "%"PRIu32" ca %s ", key->vsid,
                      addr_format(&key->ca, buf));
        return true;
    case SPACE_BY_MAC:
        ds_put_format(s, "%"PRIu32" ", key->vsid);
        return true;
    case SPACE_BY_PA:
        ds_put_format(s, "pa %s ", addr_format(&key->pa, buf));
        ds_put_format(s, "%"PRIu32" ca %s ", entry->vsid,
                      addr_format(&entry->ca, buf));
        return true;
    case SPACE_PEER:
        ds_put_format(s, "%"PRIu32" peer %s", key->vsid,
                      addr_format(&key->pa, buf));
        return false;
    case SPACE_BY_SHARE:
        ds_put_format(s, "%"PRIu32" ca %s share %"PRIu32" ", key->vsid,
                      addr_format(&key->ca, buf), key->share);
        return true;
    case SPACE_BY_OWNER:
        ds_put_format(s, "%"PRIu32" ca %s not for its owners", key->vsid,
                      addr_format(&key->ca, buf));
        return false;
    }
    OVS_NOT_REACHED();
}

static void
add_mapping(const struct space_entry *entry, void *lines_)
{
    static const char *const encaps[] = {
        [SPACE_LOCAL] = "here", [SPACE_VXLAN] = "vxlan",
        [SPACE_NVGRE] = "nvgre", [SPACE_REWRITE] = "rewrite",
        [SPACE_BALANCED] = "owners of",
    };
    struct svec *lines = lines_;
    struct ds s = DS_EMPTY_INITIALIZER;
    char buf[ADDR_STRLEN];

    if (!format_key(entry, &s)) {
        svec_add_nocopy(lines, ds_steal_cstr(&s));
        return;
    }
    ds_put_format(&s, "mac "ETH_ADDR_FMT" %s", ETH_ADDR_ARGS(entry->mac),
                  encaps[entry->where.encap]);
    if (!addr_equal(&entry->where.pa, &in6addr_any)) {
        ds_put_format(&s, " %s", addr_format(&entry->where.pa, buf));
    }
    svec_add_nocopy(lines, ds_steal_cstr(&s));
}

static void
print_mappings(const struct policy *policy)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;

    policy_for_each_space(policy, add_mapping, &lines);
    print_sorted("mappings", &lines);
}

static void
print_ports(const struct compiled *compiled)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;

    for (size_t i = 0; i < compiled->n_ports; i++) {
        const struct bound_port *bound = &compiled->ports[i];

        svec_add_nocopy(&lines, xasprintf(
            "%s %s%s%s", bound->port->name, port_state_to_string(bound->state),
            bound->detail ? ": " : "", bound->detail ? bound->detail : ""));
    }
    print_sorted("ports", &lines);
}

static void
add_diags(struct svec *lines, const struct diag_set *diags)
{
    const struct diag *diag;

    DIAG_SET_FOR_EACH (diag, diags) {
        svec_add_nocopy(lines, xasprintf("%s.%s %s: %s", diag->table,
                                         diag->column,
                                         diag_code_to_string(diag->code),
                                         diag->text));
    }
}

/* Flows, without cookies: those name rows, whose UUIDs differ in each run. */
static void
print_flows(const struct plan *plan)
{
    struct plan_cursor cursor = { .part = 0 };
    struct ds s = DS_EMPTY_INITIALIZER;
    const struct plan_flow *flow;

    while ((flow = plan_next(plan, &cursor)) != NULL) {
        struct plan_flow copy = *flow;

        copy.cookie = 0;
        ds_put_cstr(&s, "  ");
        plan_flow_format(&copy, pipeline_table_name, &s);
        ds_put_char(&s, '\n');
    }
    printf("flows:\n%s", ds_cstr(&s));
    ds_destroy(&s);
}

static void
print_result(const struct model *model, const struct host_view *view)
{
    struct compiled *compiled = compile(policy_rules(model->policy),
                                        policy_firewall(model->policy), view,
                                        NULL);
    struct svec diags = SVEC_EMPTY_INITIALIZER;

    print_flows(compiled->plan);
    print_mappings(model->policy);
    print_ports(compiled);
    add_diags(&diags, &model->diags);
    add_diags(&diags, &compiled->diags);
    print_sorted("diagnostics", &diags);
    compiled_destroy(compiled);
}

static void
usage(int status)
{
    printf("\
%s: shows what the agent makes of a policy\n\
usage: %s [--at-once] HOST POLICY...\n\
HOST describes the host: lines \"vxlan OFPORT\", \"nvgre OFPORT\",\n\
\"rewrite OFPORT\" and \"port IFACE-ID NAME OFPORT MAC\"; \"userspace\" if\n\
the switch forwards without the kernel; and \"spaces\" if it has the\n\
datapath extension.  Each POLICY is a JSON array of OVSDB \"transact\"\n\
parameters.  They are taken one after the other, each\n\
settled before the next; with --at-once, as if all were there from the\n\
start.\n",
           program_name, program_name);
    exit(status);
}

int
main(int argc, char *argv[])
{
    static const struct option long_options[] = {
        {"at-once", no_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool at_once = false;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;
         ) {
        if (c == 'a') {
            at_once = true;
        } else {
            usage(c == 'h' ? EXIT_SUCCESS : EXIT_FAILURE);
        }
    }
    if (argc - optind < 2) {
        usage(EXIT_FAILURE);
    }

    struct host_view *view = read_host_file(argv[optind]);
    struct db_server *db = db_server_create();
    struct model model = { .policy = policy_create() };
    diag_set_init(&model.diags);
    db_server_open_policy_in_memory(db);
    db_server_ensure_host(db, HOST_NAME);
    db_server_flush(db);
    if (!at_once) {
        db_server_feed(db, apply_change, &model);
    }
    for (int i = optind + 1; i < argc; i++) {
        run_policy_file(db, argv[i]);
        settle(&model);
    }
    if (at_once) {
        db_server_feed(db, apply_change, &model);
        settle(&model);
    }
    print_result(&model, view);

    host_view_destroy(view);
    policy_destroy(model.policy);
    diag_set_uninit(&model.diags);
    db_server_destroy(db);
    return EXIT_SUCCESS;
}
