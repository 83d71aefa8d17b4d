/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/firewall-set.h"
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "compile/firewall-kind.h"
#include "compile/pipeline.h"
#include "model/firewall.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "plan/plan.h"
#include "util.h"
#include "util/addr.h"

/* How packets are matched, by IP version and by whether they are of a
 * connection. */
struct variant {
    unsigned int index;         /* In the numbers of conjunctions. */
    bool ipv6;
    bool tracked;
    const char *packets;        /* Those that it is about. */
    const char *src, *dst;      /* Fields for addresses. */
    uint8_t icmp;               /* The protocol that has types. */
};

static const struct variant variants[] = {
    { 0, false, true, "ct_state=+trk-inv,ip", "ct_nw_src", "ct_nw_dst",
      IPPROTO_ICMP },
    { 1, true, true, "ct_state=+trk-inv,ipv6", "ct_ipv6_src", "ct_ipv6_dst",
      IPPROTO_ICMPV6 },
    { 2, false, false, "ct_state=-trk,icmp", "nw_src", "nw_dst",
      IPPROTO_ICMP },
    { 3, true, false, "ct_state=-trk,icmp6", "ipv6_src", "ipv6_dst",
      IPPROTO_ICMPV6 },
};

/* One of the values of a field. */
struct element {
    int protocol;               /* That the packet must be of, or -1. */
    char *text;                 /* Match: "" or with a comma in front. */
};

/* The values of a field, of which a packet must have one.
 *
 * No match of one is a match of another's: Open vSwitch counts the flows that
 * match, and if they are fewer than the dimensions, it looks no further.  So a
 * field that may be anything has none. */
struct dimension {
    struct element *elements;
    size_t n, allocated;
};

/* Source and destination address, source and destination port. */
#define MAX_DIMENSIONS 4

/* A flow on its way: several may have one match. */
struct draft_flow {
    uint16_t priority;
    char *match;
    const struct fw_rule *rule;
    uint32_t id;                /* Of the rule. */
    uint32_t conjunction;       /* Its number, or 0: the flow decides. */
    unsigned int dimension, n_dimensions;
};

struct set_compiler {
    const struct fw_set *set;
    struct draft_flow *flows;
    size_t n, allocated;
};

/* A rule on its way, in one variant. */
struct rule_compiler {
    struct set_compiler *sc;
    const struct fw_rule *rule;
    uint32_t id;
    uint16_t priority;
    const struct variant *variant;
    struct dimension dimensions[MAX_DIMENSIONS];
    size_t n_dimensions;
};

/* Takes 'match' over. */
static struct draft_flow *
add_draft(struct set_compiler *sc, uint16_t priority, char *match,
          const struct fw_rule *rule, uint32_t id)
{
    if (sc->n >= sc->allocated) {
        sc->flows = x2nrealloc(sc->flows, &sc->allocated, sizeof *sc->flows);
    }
    sc->flows[sc->n] = (struct draft_flow) {
        .priority = priority, .match = match, .rule = rule, .id = id,
    };
    return &sc->flows[sc->n++];
}

/* Takes 'text' over. */
static void
add_element(struct dimension *d, int protocol, char *text)
{
    if (d->n >= d->allocated) {
        d->elements = x2nrealloc(d->elements, &d->allocated,
                                 sizeof *d->elements);
    }
    d->elements[d->n++] = (struct element) { protocol, text };
}

static struct dimension *
add_dimension(struct rule_compiler *rc)
{
    return &rc->dimensions[rc->n_dimensions++];
}

/* Addresses. */

/* A block's prefix.  Of an IPv6 range it may be what IPv4 is mapped to, which
 * is IPv6 here, too. */
static char *
format_block(const struct range_block *block, bool ipv6)
{
    struct in6_addr addr = range_value_to_addr(&block->value);
    char buf[ADDR_STRLEN];

    if (ipv6) {
        inet_ntop(AF_INET6, &addr, buf, sizeof buf);
    } else {
        addr_format(&addr, buf);
    }
    return xasprintf("%s/%u", buf, (ipv6 ? 128 : 32) - block->n_free);
}

static void
add_prefixes(struct dimension *d, const char *field,
             const struct ranges *ranges, bool ipv6)
{
    struct range_cursor cursor = { .i = 0 };
    struct range_block block;

    while (ranges_next_block(ranges, &cursor, &block)) {
        char *net = format_block(&block, ipv6);

        add_element(d, -1, xasprintf(",%s=%s", field, net));
        free(net);
    }
}

/* True if every address of this IP version fits. */
static bool
is_any_address(const struct rule_compiler *rc,
               const struct fw_addresses *addresses)
{
    const struct ranges *ranges = (rc->variant->ipv6
                                   ? &addresses->ipv6 : &addresses->ipv4);
    struct range_cursor cursor = { .i = 0 };
    struct range_block block;

    return (addresses->any
            || (ranges_next_block(ranges, &cursor, &block)
                && block.n_free >= (rc->variant->ipv6 ? 128 : 32)));
}

/* False if no address of this IP version fits. */
static bool
add_addresses(struct rule_compiler *rc, const char *field,
              const struct fw_addresses *addresses)
{
    const struct ranges *ranges = (rc->variant->ipv6
                                   ? &addresses->ipv6 : &addresses->ipv4);

    if (!is_any_address(rc, addresses)) {
        add_prefixes(add_dimension(rc), field, ranges, rc->variant->ipv6);
    }
    return addresses->any || ranges->n;
}

/* Protocols and ports of connections. */

static bool
is_any_port(const struct fw_numbers *ports)
{
    return (ports->any
            || (ports->ranges.n == 1 && !ports->ranges.ranges[0].first.lo
                && ports->ranges.ranges[0].last.lo == UINT16_MAX));
}

/* True if the rule is about this protocol.  One that names ports, if only all
 * of them, is not about what has none. */
static bool
has_protocol(const struct rule_compiler *rc, unsigned int protocol)
{
    const struct fw_rule *rule = rc->rule;
    bool has_ports = (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP
                      || (protocol == rc->variant->icmp
                          && !rule->protocols.any));

    return (fw_numbers_contain(&rule->protocols, protocol)
            && (has_ports || (rule->src_ports.any && rule->dst_ports.any)));
}

static void
add_protocols(struct rule_compiler *rc)
{
    struct dimension *d = add_dimension(rc);

    for (unsigned int i = 0; i <= UINT8_MAX; i++) {
        if (has_protocol(rc, i)) {
            add_element(d, i, xstrdup(""));
        }
    }
}

static void
add_port_blocks(struct dimension *d, uint8_t protocol, const char *field,
                const struct ranges *ranges)
{
    struct range_cursor cursor = { .i = 0 };
    struct range_block block;

    while (ranges_next_block(ranges, &cursor, &block)) {
        char *text;

        if (!block.n_free) {
            text = xasprintf(",%s=%"PRIu64, field, block.value.lo);
        } else if (block.n_free < 16) {
            text = xasprintf(",%s=%#"PRIx64"/%#x", field, block.value.lo,
                             0xffffu << block.n_free & 0xffff);
        } else {
            text = xstrdup("");
        }
        add_element(d, protocol, text);
    }
}

/* The types that both of the rule's fields are about. */
static struct ranges
types_of(const struct fw_rule *rule)
{
    struct ranges types = { .n = 0 };

    for (unsigned int type = 0; type <= UINT8_MAX; type++) {
        if (fw_numbers_contain(&rule->src_ports, type)
            && fw_numbers_contain(&rule->dst_ports, type)) {
            ranges_add(&types, range_value(type), range_value(type));
        }
    }
    ranges_normalize(&types);
    return types;
}

/* In a connection of ICMP, the type stands in the place of the source port.
 * Both fields are about it, so one of them has nothing left to say. */
static void
add_icmp(struct rule_compiler *rc, struct dimension *d, bool is_dst)
{
    const struct fw_rule *rule = rc->rule;

    if (is_dst && !is_any_port(&rule->src_ports)) {
        add_element(d, rc->variant->icmp, xstrdup(""));
    } else {
        struct ranges types = types_of(rule);

        add_port_blocks(d, rc->variant->icmp, "ct_tp_src", &types);
        ranges_uninit(&types);
    }
}

static void
add_ports(struct rule_compiler *rc, bool is_dst)
{
    const struct fw_rule *rule = rc->rule;
    const struct fw_numbers *ports = (is_dst ? &rule->dst_ports
                                      : &rule->src_ports);
    struct dimension *d = add_dimension(rc);

    for (int i = 0; i < 2; i++) {
        uint8_t protocol = i ? IPPROTO_UDP : IPPROTO_TCP;

        if (fw_numbers_contain(&rule->protocols, protocol)) {
            add_port_blocks(d, protocol, is_dst ? "ct_tp_dst" : "ct_tp_src",
                            &ports->ranges);
        }
    }
    if (!rule->protocols.any
        && fw_numbers_contain(&rule->protocols, rc->variant->icmp)) {
        add_icmp(rc, d, is_dst);
    }
}

static void
add_connections(struct rule_compiler *rc)
{
    const struct fw_rule *rule = rc->rule;
    bool any_src = is_any_port(&rule->src_ports);
    bool any_dst = is_any_port(&rule->dst_ports);

    if (!any_src) {
        add_ports(rc, false);
    }
    if (!any_dst) {
        add_ports(rc, true);
    }
    if (any_src && any_dst
        && !(rule->protocols.any && rule->src_ports.any
             && rule->dst_ports.any)) {
        add_protocols(rc);
    }
}

/* Types of ICMP that is of no connection.  False if none fits. */
static bool
add_types(struct rule_compiler *rc)
{
    const struct fw_rule *rule = rc->rule;
    bool any_type = rule->src_ports.any && rule->dst_ports.any;

    if (!(any_type || !rule->protocols.any)
        || !fw_numbers_contain(&rule->protocols, rc->variant->icmp)) {
        return false;
    }
    if (any_type) {
        return true;
    }

    struct dimension *d = add_dimension(rc);
    struct ranges types = types_of(rule);

    for (unsigned int type = 0; type <= UINT8_MAX; type++) {
        if (ranges_contain(&types, range_value(type))
            && !firewall_kind_is_tracked(rc->variant->ipv6, type)) {
            add_element(d, -1, xasprintf(",icmp_type=%u", type));
        }
    }
    ranges_uninit(&types);
    return d->n > 0;
}

/* Flows of a rule. */

static char *
format_match(const struct rule_compiler *rc, int protocol, const char *text)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, REG_FW_SET"=%#"PRIx32",%s", rc->sc->set->number,
                  rc->variant->packets);
    if (protocol >= 0) {
        ds_put_format(&s, ",ct_nw_proto=%d", protocol);
    }
    ds_put_cstr(&s, text);
    return ds_steal_cstr(&s);
}

/* All combinations of elements from the 'i'th dimension on. */
static void
add_product(struct rule_compiler *rc, size_t i, int protocol, const char *text)
{
    if (i >= rc->n_dimensions) {
        add_draft(rc->sc, rc->priority, format_match(rc, protocol, text),
                  rc->rule, rc->id);
        return;
    }

    const struct dimension *d = &rc->dimensions[i];

    for (size_t j = 0; j < d->n; j++) {
        const struct element *e = &d->elements[j];

        if (protocol < 0 || e->protocol < 0 || protocol == e->protocol) {
            char *both = xasprintf("%s%s", text, e->text);

            add_product(rc, i + 1, MAX(protocol, e->protocol), both);
            free(both);
        }
    }
}

static void
add_conjunction(struct rule_compiler *rc)
{
    uint32_t number = rc->id * ARRAY_SIZE(variants) + rc->variant->index;

    for (size_t i = 0; i < rc->n_dimensions; i++) {
        for (size_t j = 0; j < rc->dimensions[i].n; j++) {
            const struct element *e = &rc->dimensions[i].elements[j];
            struct draft_flow *flow = add_draft(
                rc->sc, rc->priority, format_match(rc, e->protocol, e->text),
                rc->rule, rc->id);

            flow->conjunction = number;
            flow->dimension = i + 1;
            flow->n_dimensions = rc->n_dimensions;
        }
    }
    add_draft(rc->sc, rc->priority,
              xasprintf("conj_id=%"PRIu32","REG_FW_SET"=%#"PRIx32, number,
                        rc->sc->set->number),
              rc->rule, rc->id);
}

/* Whichever takes fewer flows. */
static void
add_rule_flows(struct rule_compiler *rc)
{
    size_t product = 1, sum = 1;

    for (size_t i = 0; i < rc->n_dimensions; i++) {
        product *= rc->dimensions[i].n;
        sum += rc->dimensions[i].n;
        if (product > UINT16_MAX) {
            break;
        }
    }
    if (product > sum) {
        add_conjunction(rc);
    } else {
        add_product(rc, 0, -1, "");
    }
}

static void
compile_variant(struct rule_compiler *rc)
{
    const struct variant *v = rc->variant;

    rc->n_dimensions = 0;
    memset(rc->dimensions, 0, sizeof rc->dimensions);
    if (add_addresses(rc, v->src, &rc->rule->src)
        && add_addresses(rc, v->dst, &rc->rule->dst)) {
        bool fits = true;

        if (v->tracked) {
            add_connections(rc);
        } else {
            fits = add_types(rc);
        }
        if (fits) {
            add_rule_flows(rc);
        }
    }
    for (size_t i = 0; i < rc->n_dimensions; i++) {
        for (size_t j = 0; j < rc->dimensions[i].n; j++) {
            free(rc->dimensions[i].elements[j].text);
        }
        free(rc->dimensions[i].elements);
    }
}

static void
compile_rule(struct set_compiler *sc, size_t index, uint16_t priority)
{
    struct rule_compiler rc = {
        .sc = sc, .rule = sc->set->rules[index], .id = sc->set->ids[index],
        .priority = priority,
    };

    if (fw_rule_is_for_all(rc.rule)) {
        add_draft(sc, priority,
                  xasprintf(REG_FW_SET"=%#"PRIx32, sc->set->number),
                  rc.rule, rc.id);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
        rc.variant = &variants[i];
        compile_variant(&rc);
    }
}

/* Priorities. */

static bool
same_rank(const struct fw_rule *a, const struct fw_rule *b)
{
    return a->priority == b->priority && a->allow == b->allow;
}

/* Returns the priority of the first rule's flows, and in '*ret_by_number'
 * whether the others' follow from the policy's numbers.  They do if there is
 * room: each step of the policy's is one here, and two where there are both
 * actions.  If there is not, ranks are counted from the top, and a rule that
 * comes or goes moves those after it. */
static uint16_t
first_priority(const struct fw_set *set, bool *ret_by_number)
{
    int64_t first = set->rules[0]->priority;
    int64_t last = set->rules[set->n - 1]->priority;
    size_t n_mixed = 0;

    for (size_t i = 1; i < set->n; i++) {
        const struct fw_rule *a = set->rules[i - 1];
        const struct fw_rule *b = set->rules[i];

        n_mixed += a->priority == b->priority && a->allow != b->allow;
    }
    *ret_by_number = first >= 0 && last < UINT16_MAX - (int64_t) n_mixed;
    return *ret_by_number ? UINT16_MAX - first : UINT16_MAX;
}

static void
compile_rules(struct set_compiler *sc)
{
    const struct fw_set *set = sc->set;
    bool by_number;
    uint16_t priority = first_priority(set, &by_number);

    compile_rule(sc, 0, priority);
    for (size_t i = 1; i < set->n; i++) {
        const struct fw_rule *before = set->rules[i - 1];
        const struct fw_rule *rule = set->rules[i];

        if (!same_rank(before, rule)) {
            priority -= (by_number && rule->priority != before->priority
                         ? rule->priority - before->priority : 1);
        }
        compile_rule(sc, i, priority);
    }
}

/* Flows with one match become one: the first that decides, since all of one
 * priority decide alike; else all conjunctions. */

static int
compare_drafts(const void *a_, const void *b_)
{
    const struct draft_flow *a = a_;
    const struct draft_flow *b = b_;
    int cmp = (a->priority != b->priority ? (int) b->priority - a->priority
               : strcmp(a->match, b->match));

    return (cmp ? cmp
            : a->conjunction != b->conjunction
            ? (a->conjunction < b->conjunction ? -1 : 1)
            : (int) a->dimension - (int) b->dimension);
}

static bool
same_match(const struct draft_flow *a, const struct draft_flow *b)
{
    return a->priority == b->priority && !strcmp(a->match, b->match);
}

/* What comes of a rule. */
static char *
format_decision(const struct draft_flow *flow)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (flow->rule->allow) {
        ds_put_format(&s, "set_field:%#x/%#x->"REG_FW_SAYS",", FW_SAYS_SET,
                      FW_SAYS_SET);
    }
    if (flow->rule->log) {
        ds_put_format(&s, "set_field:%#"PRIx32"->"REG_FW_RULE","
                      "resubmit(,%d),set_field:0->"REG_FW_RULE",",
                      flow->id, TABLE_FW_LOG);
    }
    if (!s.length) {
        ds_put_cstr(&s, "drop,");
    }
    ds_chomp(&s, ',');
    return ds_steal_cstr(&s);
}

/* Actions of the 'n' flows at 'flows'. */
static char *
format_actions(const struct draft_flow *flows, size_t n)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (!flows->conjunction) {
        return format_decision(flows);
    }
    for (size_t i = 0; i < n; i++) {
        ds_put_format(&s, "%sconjunction(%"PRIu32",%u/%u)", i ? "," : "",
                      flows[i].conjunction, flows[i].dimension,
                      flows[i].n_dimensions);
    }
    return ds_steal_cstr(&s);
}

/* The cookie says which rule of which set, as firewall_for_each_row() does; of
 * a flow of several, the set alone. */
static uint64_t
cookie_of(const struct set_compiler *sc, const struct draft_flow *flows,
          size_t n)
{
    bool several = flows->conjunction && n > 1;

    return firewall_set_cookie(sc->set->number, several ? 0 : flows->id);
}

static struct plan *
finish(struct set_compiler *sc)
{
    struct plan *plan = plan_create();

    qsort(sc->flows, sc->n, sizeof *sc->flows, compare_drafts);
    for (size_t i = 0, end; i < sc->n; i = end) {
        struct draft_flow *first = &sc->flows[i];

        end = i + 1;
        while (end < sc->n && same_match(first, &sc->flows[end])) {
            free(sc->flows[end++].match);
        }
        plan_add(plan, TABLE_FW_RULES, first->priority,
                 cookie_of(sc, first, end - i), first->match,
                 format_actions(first, end - i));
    }
    plan_sort(plan);
    free(sc->flows);
    return plan;
}

struct plan *
firewall_set_compile(const struct fw_set *set)
{
    struct set_compiler sc = { .set = set };

    compile_rules(&sc);
    return finish(&sc);
}
