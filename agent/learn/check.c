/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "learn/check.h"

#include <stdlib.h>
#include "model/policy.h"
#include "model/prefix.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"

const char *
learner_verdict_to_string(enum learner_verdict verdict)
{
    switch (verdict) {
    case LEARN_OK: return "learned or confirmed";
    case LEARN_NO_SENSE: return "no sense in the packet";
    case LEARN_OFF: return "learning is off";
    case LEARN_BAD_MAC: return "not the sender's MAC";
    case LEARN_BAD_PLACE: return "guest of another place";
    case LEARN_BAD_CA: return "not a guest's address";
    case LEARN_POLICY: return "policy says otherwise";
    case LEARN_FIXED: return "learning_disabled";
    case LEARN_LIMIT: return "over the limit";
    }
    OVS_NOT_REACHED();
}

/* Ports. */

static int
compare_ports(const void *a_, const void *b_)
{
    const struct learner_port *a = a_;
    const struct learner_port *b = b_;

    if (a->vsid != b->vsid) {
        return a->vsid < b->vsid ? -1 : 1;
    }
    return eth_addr_compare_3way(a->mac, b->mac);
}

void
learner_ports_sort(struct learner_port *ports, size_t n)
{
    if (n) {
        qsort(ports, n, sizeof *ports, compare_ports);
    }
}

const struct learner_port *
learner_ports_find(const struct learner_facts *facts, uint32_t vsid,
                   struct eth_addr mac)
{
    const struct learner_port key = { .vsid = vsid, .mac = mac };

    return (facts->n_ports
            ? bsearch(&key, facts->ports, facts->n_ports, sizeof key,
                      compare_ports)
            : NULL);
}

/* Checks. */

static bool
is_guests_address(const struct rules_subnet *subnet,
                  const struct in6_addr *ca)
{
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct rules_prefix *prefix = &subnet->prefixes[i];

        if (addr_prefix_contains(&prefix->net, ca)) {
            return !addr_equal(ca, &prefix->gateway)
                   && prefix_can_be_guest(&prefix->net, ca);
        }
    }
    return false;
}

/* A MAC of this host's guests is at their port and nowhere else.  What comes
 * from another host comes from a PA that is not ours. */
static enum learner_verdict
check_place(const struct learner_facts *facts, uint32_t vsid,
            struct eth_addr mac, const struct learner_place *place)
{
    const struct learner_port *port = learner_ports_find(facts, vsid, mac);

    if (place->where.encap == SPACE_LOCAL) {
        return (port && port->ofport == place->ofport
                ? LEARN_OK : LEARN_BAD_MAC);
    }
    return (port || rules_owns_pa(facts->rules, &place->where.pa)
            ? LEARN_BAD_PLACE : LEARN_OK);
}

/* An entry of the policy agrees if it says the same place, by whichever
 * encapsulation, and MAC. */
static bool
policy_agrees(const struct learner_facts *facts, const struct space_key *key,
              struct eth_addr mac, const struct learner_place *place,
              bool *ret_known)
{
    struct space_entry entry;

    *ret_known = policy_find_space(facts->policy, key, &entry);
    return !*ret_known
           || (eth_addr_equals(entry.mac, mac)
               && ((entry.where.encap == SPACE_LOCAL)
                   == (place->where.encap == SPACE_LOCAL))
               && (entry.where.encap == SPACE_LOCAL
                   || addr_equal(&entry.where.pa, &place->where.pa)));
}

static enum learner_verdict
check_policy(const struct learner_facts *facts, uint32_t vsid,
             const struct in6_addr *ca, struct eth_addr mac,
             const struct learner_place *place)
{
    struct space_key by_ca, by_mac;
    bool ca_known, mac_known;

    space_key_init_ca(&by_ca, vsid, ca);
    space_key_init_mac(&by_mac, vsid, mac);
    if (!policy_agrees(facts, &by_ca, mac, place, &ca_known)
        || !policy_agrees(facts, &by_mac, mac, place, &mac_known)) {
        return LEARN_POLICY;
    }
    return (mac_known && !ca_known
            && policy_mac_is_fixed(facts->policy, vsid, mac)
            ? LEARN_FIXED : LEARN_OK);
}

enum learner_verdict
learner_check(const struct learner_facts *facts, uint32_t vsid,
              const struct in6_addr *ca, struct eth_addr mac,
              const struct learner_place *place,
              const struct rules_subnet **ret_subnet)
{
    const struct rules_subnet *subnet
        = rules_find_subnet(facts->rules, vsid);
    enum learner_verdict verdict;

    if (!subnet || !subnet->learning.enabled) {
        return LEARN_OFF;
    }
    if (eth_addr_is_multicast(mac) || eth_addr_is_zero(mac)
        || eth_addr_equals(mac, facts->rules->router_mac)) {
        return LEARN_BAD_MAC;
    }
    verdict = check_place(facts, vsid, mac, place);
    if (verdict == LEARN_OK && !is_guests_address(subnet, ca)) {
        verdict = LEARN_BAD_CA;
    }
    if (verdict == LEARN_OK) {
        verdict = check_policy(facts, vsid, ca, mac, place);
    }
    if (verdict == LEARN_OK) {
        *ret_subnet = subnet;
    }
    return verdict;
}
