/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/firewall-set.h"
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "compile/pipeline.h"
#include "compile/firewall-kind.h"
#include "firewall-feed.h"
#include "flow.h"
#include "model/firewall.h"
#include "model/policy.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "packets.h"
#include "plan/plan.h"
#include "random.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

/* Flows are asked as Open vSwitch would ask them (ovs-fields(7), "Conjunctive
 * Matches"), and rules as their text says, by code that knows nothing of
 * ranges and blocks. */

struct parsed_flow {
    struct ofputil_flow_mod fm;
    struct match match;
};

struct table {
    struct plan *plan;
    struct parsed_flow *flows;  /* In the plan's order. */
};

/* Each clause of a conjunction is another flow's: Open vSwitch takes a
 * conjunction for complete only if as many flows match as it has clauses. */
static void
check_clauses(const struct parsed_flow *pf)
{
    uint32_t seen[64];
    size_t n = 0;
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, pf->fm.ofpacts, pf->fm.ofpacts_len) {
        if (a->type == OFPACT_CONJUNCTION) {
            uint32_t id = ofpact_get_CONJUNCTION(a)->id;

            for (size_t i = 0; i < n; i++) {
                ck_assert_uint_ne(seen[i], id);
            }
            ck_assert_uint_lt(n, ARRAY_SIZE(seen));
            seen[n++] = id;
        }
    }
}

static void
table_init(struct table *t, const struct fw_set *set)
{
    t->plan = firewall_set_compile(set);
    t->flows = xcalloc(t->plan->n, sizeof *t->flows);
    for (size_t i = 0; i < t->plan->n; i++) {
        const struct plan_flow *flow = &t->plan->flows[i];
        enum ofputil_protocol usable;
        char *text = xasprintf("table=%u,priority=%u,%s,actions=%s",
                               flow->table, flow->priority, flow->match,
                               flow->actions);
        char *error = parse_ofp_flow_mod_str(&t->flows[i].fm, text, NULL,
                                             NULL, OFPFC_ADD, &usable);

        ck_assert_msg(!error, "%s: %s", text, error);
        ck_assert_int_eq(flow->table, TABLE_FW_RULES);
        minimatch_expand(&t->flows[i].fm.match, &t->flows[i].match);
        free(text);
        check_clauses(&t->flows[i]);
    }
}

static void
table_uninit(struct table *t)
{
    for (size_t i = 0; i < t->plan->n; i++) {
        minimatch_destroy(&t->flows[i].fm.match);
        free(CONST_CAST(struct ofpact *, t->flows[i].fm.ofpacts));
    }
    free(t->flows);
    plan_destroy(t->plan);
}

/* The flow with this conjunction complete. */
static const struct parsed_flow *
find_conjunction(const struct table *t, const struct flow *flow, uint32_t id)
{
    struct flow with_id = *flow;

    with_id.conj_id = id;
    for (size_t i = 0; i < t->plan->n; i++) {
        if (t->flows[i].match.wc.masks.conj_id
            && flow_equal_except(&with_id, &t->flows[i].match.flow,
                                 &t->flows[i].match.wc)) {
            return &t->flows[i];
        }
    }
    ck_abort_msg("no flow for a conjunction");
}

static const struct ofpact_conjunction *
first_conjunction(const struct parsed_flow *pf)
{
    return (pf->fm.ofpacts_len && pf->fm.ofpacts->type == OFPACT_CONJUNCTION
            ? ofpact_get_CONJUNCTION(pf->fm.ofpacts) : NULL);
}

/* Clauses seen at one priority. */
struct clauses {
    struct { uint32_t id; uint32_t seen; } c[64];
    size_t n;
};

/* The conjunction that 'pf' completes, or 0. */
static uint32_t
add_clauses(struct clauses *clauses, const struct parsed_flow *pf)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, pf->fm.ofpacts, pf->fm.ofpacts_len) {
        const struct ofpact_conjunction *c = ofpact_get_CONJUNCTION(a);
        size_t i = 0;

        while (i < clauses->n && clauses->c[i].id != c->id) {
            i++;
        }
        if (i == clauses->n) {
            ck_assert_uint_lt(i, ARRAY_SIZE(clauses->c));
            clauses->c[clauses->n++].id = c->id;
            clauses->c[i].seen = 0;
        }
        clauses->c[i].seen |= 1u << c->clause;
        if (clauses->c[i].seen == (1u << c->n_clauses) - 1) {
            return c->id;
        }
    }
    return 0;
}

static const struct parsed_flow *
look_up(const struct table *t, const struct flow *flow)
{
    struct clauses clauses = { .n = 0 };

    for (size_t i = 0; i < t->plan->n; i++) {
        const struct parsed_flow *pf = &t->flows[i];

        if (i && pf->fm.priority != t->flows[i - 1].fm.priority) {
            clauses.n = 0;
        }
        if (!flow_equal_except(flow, &pf->match.flow, &pf->match.wc)) {
            continue;
        }
        if (!first_conjunction(pf)) {
            return pf;
        }

        uint32_t id = add_clauses(&clauses, pf);

        if (id) {
            return find_conjunction(t, flow, id);
        }
    }
    return NULL;
}

static bool
allows(const struct parsed_flow *pf)
{
    return pf && pf->fm.ofpacts_len > 0;
}

/* Rules, naively. */

/* A packet, or the connection it is of. */
struct packet {
    bool ip, ipv6;
    uint8_t protocol;
    struct in6_addr src, dst;
    uint16_t src_port, dst_port; /* Both the type if ICMP. */
};

static bool
address_fits(const char *text, const struct in6_addr *addr)
{
    char *copy = xstrdup(text);
    char *save = NULL;
    bool fits = !strcmp(text, "*");

    for (char *s = strtok_r(copy, ",", &save); s && !fits;
         s = strtok_r(NULL, ",", &save)) {
        struct addr_prefix net;
        struct in6_addr a, b;
        char *dash = strchr(s, '-');

        if (addr_prefix_parse(s, &net)) {
            net = addr_prefix_network(&net);
            fits = (addr_is_ipv4(&net.addr) == addr_is_ipv4(addr)
                    && addr_prefix_contains(&net, addr));
        } else if (dash) {
            *dash = '\0';
            ck_assert(addr_parse(s, &a) && addr_parse(dash + 1, &b));
            fits = (addr_is_ipv4(&a) == addr_is_ipv4(addr)
                    && addr_compare(&a, addr) <= 0
                    && addr_compare(addr, &b) <= 0);
        } else {
            ck_assert(addr_parse(s, &a));
            fits = addr_equal(&a, addr);
        }
    }
    free(copy);
    return fits;
}

static bool
number_fits(const char *text, unsigned int number)
{
    char *copy = xstrdup(text);
    char *save = NULL;
    bool fits = !strcmp(text, "*");

    for (char *s = strtok_r(copy, ",", &save); s && !fits;
         s = strtok_r(NULL, ",", &save)) {
        unsigned int a, b;

        if (sscanf(s, "%u-%u", &a, &b) == 2) {
            fits = a <= number && number <= b;
        } else {
            fits = (unsigned int) atoi(s) == number;
        }
    }
    free(copy);
    return fits;
}

static bool
ports_fit(const struct row_fw_rule *rule, const struct packet *p)
{
    bool tcp_udp = p->protocol == 6 || p->protocol == 17;
    bool icmp = p->protocol == (p->ipv6 ? 58 : 1);
    bool any = !strcmp(rule->src_ports, "*") && !strcmp(rule->dst_ports, "*");
    bool any_protocol = !strcmp(rule->protocols, "*");

    return any || ((tcp_udp || (icmp && !any_protocol))
                   && number_fits(rule->src_ports, p->src_port)
                   && number_fits(rule->dst_ports, p->dst_port));
}

static bool
rule_fits(const struct row_fw_rule *rule, const struct packet *p)
{
    bool all = (!strcmp(rule->protocols, "*")
                && !strcmp(rule->src_ip_addresses, "*")
                && !strcmp(rule->dst_ip_addresses, "*")
                && !strcmp(rule->src_ports, "*")
                && !strcmp(rule->dst_ports, "*"));

    return all || (p->ip && number_fits(rule->protocols, p->protocol)
                   && address_fits(rule->src_ip_addresses, &p->src)
                   && address_fits(rule->dst_ip_addresses, &p->dst)
                   && ports_fit(rule, p));
}

static bool
rules_allow(const struct row_fw_rule *rules, size_t n, const struct packet *p)
{
    const struct row_fw_rule *best = NULL;

    for (size_t i = 0; i < n; i++) {
        if (rule_fits(&rules[i], p)
            && (!best || rules[i].priority < best->priority
                || (rules[i].priority == best->priority
                    && !strcmp(rules[i].action, "Block")))) {
            best = &rules[i];
        }
    }
    return best && !strcmp(best->action, "Allow");
}

/* Random rules and packets, from few values, so that they meet. */

static const char *const addresses[] = {
    "10.0.0.1", "10.0.0.2", "10.0.0.3-10.0.0.6", "10.0.0.0/29", "10.0.0.4/31",
    "0.0.0.0/0", "2001:db8::1", "2001:db8::2-2001:db8::5", "2001:db8::4/126",
    "::/0", "10.9.9.9", "0.0.0.0-10.0.0.2", "2001:db8::3-ffff::",

    /* One of its blocks is all that IPv4 is mapped to. */
    "::fffe:0:1-::1:0:0:0",
};
static const char *const numbers[] = {
    "1", "2", "3", "5-7", "0-3", "8", "128", "133-140", "6", "10", "17",
    "0-65535", "1000-2000", "9-13", "1500",
};
static const char *const protocols[] = { "6", "17", "1", "58", "1-2", "47" };
static const char *const protocols_with_ports[] = { "6", "17", "1", "58" };
static const uint16_t port_values[] = {
    1, 2, 4, 6, 8, 10, 13, 128, 135, 1500,
};

static const char *
random_list(const char *const words[], size_t n)
{
    static char texts[5][256];
    static int next;
    char *text = texts[next++ % ARRAY_SIZE(texts)];
    size_t length = 0;

    if (!random_range(3)) {
        return "*";
    }
    for (int i = random_range(5); i >= 0; i--) {
        length += snprintf(text + length, sizeof texts[0] - length, "%s%s",
                           words[random_range(n)], i ? "," : "");
    }
    return text;
}

static struct row_fw_rule
random_rule(void)
{
    struct row_fw_rule rule = fw_rule_for_all("p", "Inbound");

    rule.priority = random_range(4) * (random_range(50) ? 1 : 100000);
    rule.action = random_range(2) ? "Allow" : "Block";
    rule.src_ip_addresses = random_list(addresses, ARRAY_SIZE(addresses));
    rule.dst_ip_addresses = random_list(addresses, ARRAY_SIZE(addresses));
    if (random_range(2)) {
        rule.src_ports = random_list(numbers, ARRAY_SIZE(numbers));
        rule.dst_ports = random_list(numbers, ARRAY_SIZE(numbers));
        rule.protocols = random_list(protocols_with_ports,
                                     ARRAY_SIZE(protocols_with_ports));
    } else {
        rule.protocols = random_list(protocols, ARRAY_SIZE(protocols));
    }
    rule.protocols = xstrdup(rule.protocols);
    rule.src_ip_addresses = xstrdup(rule.src_ip_addresses);
    rule.dst_ip_addresses = xstrdup(rule.dst_ip_addresses);
    rule.src_ports = xstrdup(rule.src_ports);
    rule.dst_ports = xstrdup(rule.dst_ports);
    return rule;
}

static void
free_rule(struct row_fw_rule *rule)
{
    free(CONST_CAST(char *, rule->protocols));
    free(CONST_CAST(char *, rule->src_ip_addresses));
    free(CONST_CAST(char *, rule->dst_ip_addresses));
    free(CONST_CAST(char *, rule->src_ports));
    free(CONST_CAST(char *, rule->dst_ports));
}

static struct packet
random_packet(void)
{
    static const uint8_t known[] = { 6, 17, 1, 58, 47, 2 };
    struct packet p = {
        .ip = random_range(20), .ipv6 = random_range(2),
        .protocol = known[random_range(ARRAY_SIZE(known))],
        .src_port = port_values[random_range(ARRAY_SIZE(port_values))],
        .dst_port = port_values[random_range(ARRAY_SIZE(port_values))],
    };
    const char *prefix = p.ipv6 ? "2001:db8::" : "10.0.0.";
    char text[32];

    snprintf(text, sizeof text, "%s%d", prefix, random_range(9));
    ck_assert(addr_parse(text, &p.src));
    snprintf(text, sizeof text, "%s%d", prefix, random_range(9));
    ck_assert(addr_parse(text, &p.dst));
    if (p.protocol == (p.ipv6 ? 58 : 1)) {
        p.src_port &= 0xff;
        p.dst_port = p.src_port;
    } else if (p.protocol != 6 && p.protocol != 17) {
        p.src_port = p.dst_port = 0;
    }
    return p;
}

/* As Open vSwitch sees it, past FW_KIND. */
static struct flow
flow_of(const struct packet *p, uint32_t set)
{
    bool icmp = p->protocol == (p->ipv6 ? 58 : 1);
    bool tracked = p->ip && (!icmp || firewall_kind_is_tracked(p->ipv6,
                                                               p->src_port));
    struct flow flow = { .regs = { [13] = set } };

    flow.dl_type = htons(!p->ip ? 0x88b5 : p->ipv6 ? ETH_TYPE_IPV6
                         : ETH_TYPE_IP);
    if (tracked) {
        flow.ct_state = CS_TRACKED | CS_NEW;
        flow.ct_nw_proto = p->protocol;
        flow.ct_tp_src = htons(p->src_port);
        flow.ct_tp_dst = htons(icmp ? 0 : p->dst_port);
        if (p->ipv6) {
            flow.ct_ipv6_src = p->src;
            flow.ct_ipv6_dst = p->dst;
        } else {
            flow.ct_nw_src = addr_to_ipv4(&p->src);
            flow.ct_nw_dst = addr_to_ipv4(&p->dst);
        }
        return flow;
    }
    if (p->ip) {
        flow.nw_proto = p->protocol;
        flow.tp_src = htons(p->src_port);
        if (p->ipv6) {
            flow.ipv6_src = p->src;
            flow.ipv6_dst = p->dst;
        } else {
            flow.nw_src = addr_to_ipv4(&p->src);
            flow.nw_dst = addr_to_ipv4(&p->dst);
        }
    }
    return flow;
}

static void
ignore_diag(const struct diag *diag OVS_UNUSED, void *aux OVS_UNUSED)
{
}

static const struct fw_set *
make_set(struct firewall *fw, const struct row_fw_rule *rules, size_t n)
{
    const struct policy_sink sink = {
        .diag_put = ignore_diag, .diag_remove = ignore_diag,
    };

    for (size_t i = 0; i < n; i++) {
        struct row_change change = fw_rule_change(i, rules[i]);

        firewall_apply(fw, &change);
    }
    firewall_settle(fw, &sink);

    const struct fw_port *port = firewall_find(fw, "p");

    ck_assert(port->understood);
    return port->sets[FW_CONTROLLER][FW_INBOUND];
}

static char *
describe(const struct row_fw_rule *rules, size_t n, const struct packet *p)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    char src[ADDR_STRLEN], dst[ADDR_STRLEN];

    ds_put_format(&s, "%s protocol %u %s %u to %s %u:\n",
                  p->ip ? p->ipv6 ? "IPv6" : "IPv4" : "other", p->protocol,
                  addr_format(&p->src, src), p->src_port,
                  addr_format(&p->dst, dst), p->dst_port);
    for (size_t i = 0; i < n; i++) {
        ds_put_format(&s, "%"PRId64" %s %s %s %s %s %s\n", rules[i].priority,
                      rules[i].action, rules[i].protocols,
                      rules[i].src_ip_addresses, rules[i].src_ports,
                      rules[i].dst_ip_addresses, rules[i].dst_ports);
    }
    return ds_steal_cstr(&s);
}

START_TEST(flows_say_what_rules_say)
{
    enum { MAX_RULES = 8 };

    random_set_seed(unit_seed("flows"));
    for (int round = 0; round < 150; round++) {
        struct firewall *fw = firewall_create();
        struct row_fw_rule rules[MAX_RULES];
        size_t n = 1 + random_range(MAX_RULES);
        struct table table;

        for (size_t i = 0; i < n; i++) {
            rules[i] = random_rule();
        }

        const struct fw_set *set = make_set(fw, rules, n);

        table_init(&table, set);
        for (int i = 0; i < 200; i++) {
            struct packet p = random_packet();
            struct flow flow = flow_of(&p, set->number);
            struct flow other = flow_of(&p, set->number + 1);

            if (allows(look_up(&table, &flow)) != rules_allow(rules, n, &p)) {
                ck_abort_msg("%s", describe(rules, n, &p));
            }
            ck_assert_ptr_null(look_up(&table, &other));
        }
        table_uninit(&table);
        firewall_destroy(fw);
        for (size_t i = 0; i < n; i++) {
            free_rule(&rules[i]);
        }
    }
}
END_TEST

/* A list of 'n' prefixes, for the caller to free. */
static char *
prefix_list(int first, int n)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (int i = first; i < first + n; i++) {
        ds_put_format(&s, "10.%d.%d.0/24,", i / 100, i % 100 * 2);
    }
    ds_chomp(&s, ',');
    return ds_steal_cstr(&s);
}

START_TEST(lists_add_up_and_do_not_multiply)
{
    struct firewall *fw = firewall_create();
    struct row_fw_rule rule = fw_rule_for_all("p", "Inbound");
    char *src = prefix_list(0, 50);
    char *dst = prefix_list(1000, 50);
    struct table table;

    rule.protocols = "tcp,udp";
    rule.src_ip_addresses = src;
    rule.dst_ip_addresses = dst;
    rule.dst_ports = "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39";
    table_init(&table, make_set(fw, &rule, 1));
    ck_assert_uint_eq(table.plan->n, 50 + 50 + 2 * 20 + 1);
    table_uninit(&table);
    firewall_destroy(fw);
    free(src);
    free(dst);
}
END_TEST

static struct plan *
compile_rules(const struct row_fw_rule *rules, size_t n)
{
    struct firewall *fw = firewall_create();
    struct plan *plan = firewall_set_compile(make_set(fw, rules, n));

    firewall_destroy(fw);
    return plan;
}

START_TEST(a_field_for_all_is_no_clause)
{
    struct firewall *fw = firewall_create();
    struct row_fw_rule rule = fw_rule_for_all("p", "Inbound");
    struct table table;

    rule.protocols = "tcp,udp";
    rule.src_ip_addresses = "10.1.0.0/24,10.3.0.0/24,10.5.0.0/24,10.7.0.0/24";
    rule.dst_ip_addresses = "10.1.0.0/24,10.3.0.0/24,10.5.0.0/24,10.7.0.0/24";
    rule.src_ports = "0-65535";
    rule.dst_ports = "0-65535";
    table_init(&table, make_set(fw, &rule, 1));
    ck_assert_uint_eq(table.plan->n, 4 + 4 + 2 + 1);
    table_uninit(&table);

    rule.src_ip_addresses = "0.0.0.0/0";
    rule.dst_ip_addresses = "0.0.0.0/0";
    rule.src_ports = "1,3,5,7";
    rule.dst_ports = "1,3,5,7";
    table_init(&table, make_set(fw, &rule, 1));
    ck_assert_uint_eq(table.plan->n, 8 + 8 + 1);
    table_uninit(&table);
    firewall_destroy(fw);
}
END_TEST

/* The flows that decide tell FW_LOG which rule it was, and leave no trace of
 * that; in the cookie it is as well. */
START_TEST(a_rule_that_is_logged_says_so)
{
    struct firewall *fw = firewall_create();
    struct row_fw_rule rule = fw_rule_for_all("p", "Inbound");

    for (int allow = 0; allow < 2; allow++) {
        rule.action = allow ? "Allow" : "Block";
        rule.logging_state = "Enabled";

        const struct fw_set *set = make_set(fw, &rule, 1);
        struct table table;
        char *wanted = xasprintf(
            "%sset_field:%#"PRIx32"->"REG_FW_RULE",resubmit(,%d),"
            "set_field:0->"REG_FW_RULE,
            allow ? "set_field:0x1/0x1->"REG_FW_SAYS"," : "", set->ids[0],
            TABLE_FW_LOG);

        ck_assert(set->logs);
        ck_assert(!firewall_find(fw, "p")->open);
        table_init(&table, set);
        ck_assert_uint_eq(table.plan->n, 1);
        ck_assert_str_eq(table.plan->flows[0].actions, wanted);
        ck_assert_uint_eq(table.plan->flows[0].cookie,
                          firewall_set_cookie(set->number, set->ids[0]));
        table_uninit(&table);
        free(wanted);
    }
    firewall_destroy(fw);
}
END_TEST

START_TEST(one_changed_rule_is_that_rules_flows_changed)
{
    enum { N = 5 };
    struct row_fw_rule rules[N + 1];
    char *lists[N + 1];
    struct plan *before, *after;
    struct plan_delta *delta;

    for (int i = 0; i <= N; i++) {
        lists[i] = prefix_list(100 * i, 10);
        rules[i] = fw_rule_for_all("p", "Inbound");
        rules[i].priority = 10 * (i + 1);
        rules[i].protocols = "tcp";
        rules[i].src_ip_addresses = lists[i];
        rules[i].dst_ports = "80,443";
    }
    before = compile_rules(rules, N);
    ck_assert_uint_eq(before->n, N * (10 + 2 + 1));

    /* One more, and not at the end. */
    rules[N].priority = 25;
    after = compile_rules(rules, N + 1);
    delta = plan_diff(before, after);
    ck_assert_uint_eq(delta->n_put, 10 + 2 + 1);
    ck_assert_uint_eq(delta->n_remove, 0);
    plan_delta_destroy(delta);
    plan_destroy(before);

    /* Another port. */
    rules[2].dst_ports = "80,444";
    before = after;
    after = compile_rules(rules, N + 1);
    delta = plan_diff(before, after);
    ck_assert_uint_le(delta->n_put, 10 + 2 + 1);
    ck_assert_uint_le(delta->n_remove, 10 + 2 + 1);
    plan_delta_destroy(delta);
    plan_destroy(before);
    plan_destroy(after);
    for (int i = 0; i <= N; i++) {
        free(lists[i]);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("firewall-set");
    TCase *tc = tcase_create("firewall-set");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, flows_say_what_rules_say);
    tcase_add_test(tc, lists_add_up_and_do_not_multiply);
    tcase_add_test(tc, a_field_for_all_is_no_clause);
    tcase_add_test(tc, a_rule_that_is_logged_says_so);
    tcase_add_test(tc, one_changed_rule_is_that_rules_flows_changed);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
