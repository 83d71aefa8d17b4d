/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "firewall-counters.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "compile/firewall-set.h"
#include "compile/pipeline.h"
#include "flow-question.h"
#include "hash.h"
#include "model/firewall.h"
#include "model/policy.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-flow.h"
#include "switch/switch.h"
#include "unixctl.h"
#include "util.h"
#include "util/addr.h"

/* What is counted of the flows with one cookie, which are those of one rule
 * of one set. */
struct counter {
    struct hmap_node node;
    uint64_t cookie;
    uint64_t packets;
    uint64_t bytes;
    unsigned int n_rows;        /* That it is of. */
};

/* A question under way. */
struct question {
    const struct switch_link *link;
    const struct policy *policy;
    bool json;
    char *port;                 /* NULL for all of them. */
    struct hmap counters;

    struct fw_row_view *rows;   /* All there are. */
    size_t n_rows, allocated_rows;
};

static void
question_destroy(void *q_)
{
    struct question *q = q_;
    struct counter *counter;

    HMAP_FOR_EACH_POP (counter, node, &q->counters) {
        free(counter);
    }
    hmap_destroy(&q->counters);
    free(q->rows);
    free(q->port);
    free(q);
}

static struct counter *
counter_of(struct question *q, uint64_t cookie)
{
    struct counter *counter;

    HMAP_FOR_EACH_WITH_HASH (counter, node, hash_uint64(cookie),
                             &q->counters) {
        if (counter->cookie == cookie) {
            return counter;
        }
    }
    counter = xzalloc(sizeof *counter);
    counter->cookie = cookie;
    hmap_insert(&q->counters, &counter->node, hash_uint64(cookie));
    return counter;
}

static struct counter *
counter_of_row(struct question *q, const struct fw_row_view *row)
{
    return counter_of(q, firewall_set_cookie(row->set->number, row->id));
}

static void
take_row(const struct fw_row_view *row, void *q_)
{
    struct question *q = q_;

    counter_of_row(q, row)->n_rows++;
    if (!q->port || !strcmp(q->port, row->port)) {
        if (q->n_rows >= q->allocated_rows) {
            q->rows = x2nrealloc(q->rows, &q->allocated_rows,
                                 sizeof *q->rows);
        }
        q->rows[q->n_rows++] = *row;
    }
}

static int
compare_rows(const void *a_, const void *b_)
{
    const struct fw_row_view *a = a_;
    const struct fw_row_view *b = b_;
    int cmp = strcmp(a->port, b->port);

    cmp = cmp ? cmp : (int) a->direction - (int) b->direction;
    cmp = cmp ? cmp : (int) a->layer - (int) b->layer;
    cmp = cmp ? cmp : fw_rule_compare(a->rule, b->rule);
    return cmp ? cmp : strcmp(a->rule_id, b->rule_id);
}

static const char *
direction_name(const struct fw_row_view *row)
{
    return row->direction == FW_INBOUND ? "Inbound" : "Outbound";
}

static const char *
layer_name(const struct fw_row_view *row)
{
    return row->layer == FW_ADMIN ? "admin" : "controller";
}

static bool
is_counted(const struct question *q, const struct fw_row_view *row)
{
    return !firewall_find(policy_firewall(q->policy), row->port)->open;
}

/* A rule's id may be any text; what is shown stays one line. */
static void
put_rule_id(struct ds *s, const char *rule_id)
{
    for (const char *p = rule_id; *p; p++) {
        ds_put_char(s, iscntrl((unsigned char) *p) ? '?' : *p);
    }
}

static void
format_counter(struct question *q, const struct fw_row_view *row,
               struct ds *s)
{
    const struct counter *counter = counter_of_row(q, row);

    if (is_counted(q, row)) {
        ds_put_format(s, "%12"PRIu64" packets %15"PRIu64" bytes",
                      counter->packets, counter->bytes);
    } else {
        ds_put_format(s, "%42s", "not counted, as everything passes");
    }
    ds_put_cstr(s, "  ");
    put_rule_id(s, row->rule_id);
    ds_put_format(s, ": %s", row->rule->text);
    if (counter->n_rows > 1) {
        ds_put_format(s, " (one of %u that are counted together)",
                      counter->n_rows);
    }
}

static void
format_text(struct question *q, struct ds *s)
{
    const char *port = "";

    for (size_t i = 0; i < q->n_rows; i++) {
        const struct fw_row_view *row = &q->rows[i];

        if (strcmp(row->port, port)) {
            port = row->port;
            ds_put_format(s, "port %s\n", port);
        }
        ds_put_format(s, "  %-8s %-10s ", direction_name(row),
                      layer_name(row));
        format_counter(q, row, s);
        ds_put_char(s, '\n');
    }
}

static struct json *
row_to_json(struct question *q, const struct fw_row_view *row)
{
    const struct counter *counter = counter_of_row(q, row);
    struct json *json = json_object_create();

    json_object_put_string(json, "port", row->port);
    json_object_put_string(json, "direction", direction_name(row));
    json_object_put_string(json, "layer", layer_name(row));
    json_object_put_string(json, "rule_id", row->rule_id);
    json_object_put(json, "priority",
                    json_integer_create(row->rule->priority));
    json_object_put_string(json, "action",
                           row->rule->allow ? "Allow" : "Block");
    if (is_counted(q, row)) {
        json_object_put(json, "packets",
                        json_integer_create(counter->packets));
        json_object_put(json, "bytes", json_integer_create(counter->bytes));
        json_object_put(json, "shared", json_integer_create(counter->n_rows));
    }
    return json;
}

static void
format_json(struct question *q, struct ds *s)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < q->n_rows; i++) {
        json_array_add(array, row_to_json(q, &q->rows[i]));
    }
    json_to_ds(array, JSSF_SORT, s);
    json_destroy(array);
}

static bool
answer(struct ds *s, void *q_)
{
    struct question *q = q_;

    if (!switch_is_up(q->link)) {
        return false;
    }
    firewall_for_each_row(policy_firewall(q->policy), take_row, q);
    if (q->n_rows) {
        qsort(q->rows, q->n_rows, sizeof *q->rows, compare_rows);
    }
    (q->json ? format_json : format_text)(q, s);
    return true;
}

static void
take_flow(const struct ofputil_flow_stats *fs, void *q_)
{
    struct counter *counter = counter_of(q_, ntohll(fs->cookie));

    counter->packets += fs->packet_count;
    counter->bytes += fs->byte_count;
}

struct command {
    struct switch_link *link;
    const struct policy *policy;
};

static void
fw_rules(struct unixctl_conn *conn, int argc, const char *argv[],
         void *command_)
{
    static const struct flow_question_class class = {
        take_flow, answer, question_destroy,
    };
    const struct command *command = command_;
    bool json = argc > 1 && !strcmp(argv[1], "--json");
    const char *port = argc > 1 + json ? argv[1 + json] : NULL;
    char name[256];

    if (port && (argc > 2 + json || port[0] == '-'
                 || !addr_guid_normalize(port, name, sizeof name))) {
        unixctl_command_reply_error(conn, "arguments are [--json] [PORT], of "
                                    "which PORT is the name of a port "
                                    "profile");
        return;
    }

    struct question *q = xzalloc(sizeof *q);

    q->link = command->link;
    q->policy = command->policy;
    q->json = json;
    q->port = port ? xstrdup(name) : NULL;
    hmap_init(&q->counters);
    flow_question_ask(&class, q, conn, command->link, TABLE_FW_RULES);
}

void
firewall_counters_register(struct switch_link *link,
                           const struct policy *policy)
{
    static struct command command;

    command = (struct command) { link, policy };
    unixctl_command_register("fw/rules", "[--json] [PORT]", 0, 2, fw_rules,
                             &command);
}
