/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/fw-rule.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "db/rows.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"
#include "util/diag.h"

#define TABLE "FW_Rules"

static const struct {
    const char *name;
    uint8_t number;
} protocol_names[] = {
    { "icmp", IPPROTO_ICMP },
    { "igmp", IPPROTO_IGMP },
    { "ipip", IPPROTO_IPIP },
    { "tcp", IPPROTO_TCP },
    { "udp", IPPROTO_UDP },
    { "gre", IPPROTO_GRE },
    { "esp", IPPROTO_ESP },
    { "ah", IPPROTO_AH },
    { "icmpv6", IPPROTO_ICMPV6 },
    { "icmp6", IPPROTO_ICMPV6 },
    { "ospf", 89 },
    { "vrrp", 112 },
    { "sctp", IPPROTO_SCTP },
    { "udplite", IPPROTO_UDPLITE },
};

/* A row on its way. */
struct parser {
    const struct uuid *row;
    struct diag_set *diags;
    bool ok;
};

static void
complain(struct parser *p, const char *column, const char *element,
         const char *expected)
{
    diag_set_add(p->diags, DIAG_FW_RULE, p->row, TABLE, column,
                 "\"%.300s\" in %s is not %s; the port that the rule is for "
                 "gets no traffic.", element, column, expected);
    p->ok = false;
}

/* Elements. */

/* Blanks around an element do not count. */
static char *
trim(char *s)
{
    while (isspace((unsigned char) *s)) {
        s++;
    }
    for (size_t n = strlen(s); n && isspace((unsigned char) s[n - 1]); n--) {
        s[n - 1] = '\0';
    }
    return s;
}

/* A number of at most 'max', in digits.  A leading zero means octal to some,
 * so it is refused. */
static bool
parse_number(const char *s, unsigned int max, unsigned int *ret_number)
{
    unsigned int number = 0;

    if (!*s || (s[0] == '0' && s[1])) {
        return false;
    }
    for (; *s; s++) {
        if (!isdigit((unsigned char) *s)) {
            return false;
        }
        number = 10 * number + (*s - '0');
        if (number > max) {
            return false;
        }
    }
    *ret_number = number;
    return true;
}

static bool
parse_protocol(const char *s, unsigned int max, unsigned int *ret_number)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocol_names); i++) {
        if (!strcasecmp(s, protocol_names[i].name)) {
            *ret_number = protocol_names[i].number;
            return true;
        }
    }
    return parse_number(s, max, ret_number);
}

/* The two ends of an element "a-b", or twice the same. */
struct ends {
    const char *first, *last;
};

static struct ends
split_range(char *element)
{
    char *dash = strchr(element, '-');

    if (!dash) {
        return (struct ends) { element, element };
    }
    *dash = '\0';
    return (struct ends) { trim(element), trim(dash + 1) };
}

static bool
add_numbers(struct ranges *ranges, char *element, unsigned int max,
            bool (*parse)(const char *, unsigned int max, unsigned int *))
{
    struct ends ends = split_range(element);
    unsigned int first, last;

    if (!parse(ends.first, max, &first) || !parse(ends.last, max, &last)
        || first > last) {
        return false;
    }
    ranges_add(ranges, range_value(first), range_value(last));
    return true;
}

static bool
add_protocols(char *element, void *ranges)
{
    return add_numbers(ranges, element, UINT8_MAX, parse_protocol);
}

static bool
add_ports(char *element, void *ranges)
{
    return add_numbers(ranges, element, UINT16_MAX, parse_number);
}

/* The last address of a prefix. */
static struct in6_addr
prefix_end(const struct addr_prefix *net)
{
    struct in6_addr end = net->addr;
    unsigned int plen = addr_is_ipv4(&end) ? 96 + net->plen : net->plen;

    for (unsigned int bit = plen; bit < 128; bit++) {
        end.s6_addr[bit / 8] |= 0x80 >> bit % 8;
    }
    return end;
}

static bool
parse_addresses(char *element, struct in6_addr *first, struct in6_addr *last)
{
    struct addr_prefix prefix;

    if (addr_prefix_parse(element, &prefix)) {
        if (addr_is_ipv4(&prefix.addr) && strchr(element, ':')) {
            /* IPv4 as IPv6 writes it: whose length it is, is not clear. */
            return false;
        }
        prefix = addr_prefix_network(&prefix);
        *first = prefix.addr;
        *last = prefix_end(&prefix);
        return true;
    }

    struct ends ends = split_range(element);

    return (addr_parse(ends.first, first) && addr_parse(ends.last, last)
            && addr_is_ipv4(first) == addr_is_ipv4(last)
            && addr_compare(first, last) <= 0);
}

static bool
add_addresses(char *element, void *addresses_)
{
    struct fw_addresses *addresses = addresses_;
    struct in6_addr first, last;

    if (!parse_addresses(element, &first, &last)) {
        return false;
    }
    ranges_add(addr_is_ipv4(&first) ? &addresses->ipv4 : &addresses->ipv6,
               range_value_from_addr(&first), range_value_from_addr(&last));
    return true;
}

/* Lists. */

/* Takes the next element off '*list'; NULL after the last.  There is always a
 * first, if only an empty one. */
static char *
next_element(char **list)
{
    char *element = strsep(list, ",");

    return element ? trim(element) : NULL;
}

/* Has 'add' take each element of a list into 'values', but for "*".  Returns
 * true if there is one of those. */
static bool
parse_list(struct parser *p, const char *column, const char *text,
           bool (*add)(char *element, void *values), void *values,
           const char *what)
{
    char *copy = xstrdup(text);
    char *list = copy;
    char *element;
    bool any = false;

    while ((element = next_element(&list)) != NULL) {
        char *whole = xstrdup(element);

        if (!strcmp(element, "*")) {
            any = true;
        } else if (!add(element, values)) {
            complain(p, column, whole, what);
        }
        free(whole);
    }
    free(copy);
    return any;
}

static void
settle_numbers(struct fw_numbers *numbers, bool any)
{
    numbers->any = any;
    if (any) {
        numbers->ranges.n = 0;
    }
    ranges_normalize(&numbers->ranges);
}

static void
protocols_of(struct parser *p, const char *text, struct fw_numbers *numbers)
{
    settle_numbers(numbers, parse_list(p, "protocols", text, add_protocols,
                                       &numbers->ranges, "a protocol"));
}

static void
ports_of(struct parser *p, const char *column, const char *text,
         struct fw_numbers *numbers)
{
    settle_numbers(numbers, parse_list(p, column, text, add_ports,
                                       &numbers->ranges,
                                       "a port or a range of them"));
}

static void
addresses_of(struct parser *p, const char *column, const char *text,
             struct fw_addresses *addresses)
{
    addresses->any = parse_list(p, column, text, add_addresses, addresses,
                                "an IP address, a prefix or a range of "
                                "addresses");
    if (addresses->any) {
        addresses->ipv4.n = addresses->ipv6.n = 0;
    }
    ranges_normalize(&addresses->ipv4);
    ranges_normalize(&addresses->ipv6);
}

bool
fw_numbers_contain(const struct fw_numbers *numbers, unsigned int number)
{
    return numbers->any || ranges_contain(&numbers->ranges,
                                          range_value(number));
}

/* True if all of the rule's protocols have ports, or types. */
static bool
have_ports(const struct fw_numbers *protocols)
{
    for (unsigned int i = 0; !protocols->any && i <= UINT8_MAX; i++) {
        if (i != IPPROTO_TCP && i != IPPROTO_UDP && i != IPPROTO_ICMP
            && i != IPPROTO_ICMPV6 && fw_numbers_contain(protocols, i)) {
            return false;
        }
    }
    return true;
}

static void
check_ports(struct parser *p, const char *column, const char *text,
            const struct fw_rule *rule, const struct fw_numbers *ports)
{
    if (!ports->any && !have_ports(&rule->protocols)) {
        complain(p, column, text,
                 "\"*\", although a protocol of the rule has no ports");
    }
}

/* The one form. */

static void
format_numbers(struct ds *s, const struct fw_numbers *numbers)
{
    ds_put_cstr(s, numbers->any ? " *" : " ");
    for (size_t i = 0; i < numbers->ranges.n; i++) {
        const struct range *r = &numbers->ranges.ranges[i];

        ds_put_format(s, "%s%"PRIu64, i ? "," : "", r->first.lo);
        if (r->first.lo != r->last.lo) {
            ds_put_format(s, "-%"PRIu64, r->last.lo);
        }
    }
}

static void
format_ranges(struct ds *s, const struct ranges *ranges)
{
    for (size_t i = 0; i < ranges->n; i++) {
        struct in6_addr first = range_value_to_addr(&ranges->ranges[i].first);
        struct in6_addr last = range_value_to_addr(&ranges->ranges[i].last);
        char buf[ADDR_STRLEN];

        ds_put_format(s, "%s,", addr_format(&first, buf));
        if (!addr_equal(&first, &last)) {
            ds_chomp(s, ',');
            ds_put_format(s, "-%s,", addr_format(&last, buf));
        }
    }
}

static void
format_addresses(struct ds *s, const struct fw_addresses *addresses)
{
    ds_put_cstr(s, addresses->any ? " *" : " ");
    format_ranges(s, &addresses->ipv4);
    format_ranges(s, &addresses->ipv6);
    ds_chomp(s, ',');
}

static char *
format_rule(const struct fw_rule *rule)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "%"PRId64" %s%s", rule->priority,
                  rule->allow ? "allow" : "block", rule->log ? " log" : "");
    format_numbers(&s, &rule->protocols);
    format_addresses(&s, &rule->src);
    format_numbers(&s, &rule->src_ports);
    format_addresses(&s, &rule->dst);
    format_numbers(&s, &rule->dst_ports);
    return ds_steal_cstr(&s);
}

/* Rules. */

bool
fw_rule_parse(const struct row_fw_rule *row, const struct uuid *uuid,
              struct diag_set *diags, struct fw_rule *ret_rule)
{
    struct parser p = { .row = uuid, .diags = diags, .ok = true };
    struct fw_rule rule = {
        .priority = row->priority,
        .allow = !strcmp(row->action, "Allow"),
        .log = !strcmp(row->logging_state, "Enabled"),
    };

    protocols_of(&p, row->protocols, &rule.protocols);
    addresses_of(&p, "src_ip_addresses", row->src_ip_addresses, &rule.src);
    addresses_of(&p, "dst_ip_addresses", row->dst_ip_addresses, &rule.dst);
    ports_of(&p, "src_ports", row->src_ports, &rule.src_ports);
    ports_of(&p, "dst_ports", row->dst_ports, &rule.dst_ports);
    if (p.ok) {
        check_ports(&p, "src_ports", row->src_ports, &rule, &rule.src_ports);
        check_ports(&p, "dst_ports", row->dst_ports, &rule, &rule.dst_ports);
    }
    if (!p.ok) {
        fw_rule_uninit(&rule);
        return false;
    }
    rule.text = format_rule(&rule);
    *ret_rule = rule;
    return true;
}

void
fw_rule_uninit(struct fw_rule *rule)
{
    ranges_uninit(&rule->protocols.ranges);
    ranges_uninit(&rule->src.ipv4);
    ranges_uninit(&rule->src.ipv6);
    ranges_uninit(&rule->dst.ipv4);
    ranges_uninit(&rule->dst.ipv6);
    ranges_uninit(&rule->src_ports.ranges);
    ranges_uninit(&rule->dst_ports.ranges);
    free(rule->text);
}

int
fw_rule_compare(const struct fw_rule *a, const struct fw_rule *b)
{
    return (a->priority != b->priority ? (a->priority < b->priority ? -1 : 1)
            : a->allow != b->allow ? (b->allow ? -1 : 1)
            : strcmp(a->text, b->text));
}

bool
fw_rule_is_for_all(const struct fw_rule *rule)
{
    return (rule->protocols.any && rule->src.any && rule->dst.any
            && rule->src_ports.any && rule->dst_ports.any);
}
