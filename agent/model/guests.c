/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/guests.h"

#include <stdlib.h>
#include "model/locators.h"
#include "model/mapping.h"
#include "model/mapping-subnet.h"
#include "model/mappings.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

void
guests_touch(struct mappings *mappings, struct mapping_subnet *subnet)
{
    if (subnet->guests_listed) {
        subnet->guests_stale = true;
        mappings->guests_stale = true;
    }
}

void
guests_follow(struct mappings *mappings, struct mapping_subnet *subnet)
{
    bool listed = (subnet->rules
                   && subnet->rules->replication == RULES_PER_VM);

    if (listed && !subnet->guests_listed) {
        ovs_list_push_back(&mappings->listed, &subnet->listed_node);
    } else if (!listed && subnet->guests_listed) {
        ovs_list_remove(&subnet->listed_node);
    }
    subnet->guests_listed = listed;
    guests_touch(mappings, subnet);     /* New rules come without a list. */
}

/* By MAC; of those with one MAC the holder of its slot comes first. */
static int
compare_mappings(const void *a_, const void *b_)
{
    const struct mapping *const *ap = a_;
    const struct mapping *const *bp = b_;
    const struct mapping *a = *ap;
    const struct mapping *b = *bp;
    int cmp = eth_addr_compare_3way(a->mac, b->mac);

    return (cmp ? cmp
            : a->arrival < b->arrival ? -1 : a->arrival > b->arrival);
}

/* Returns those of the subnet's mappings that hold, sorted. */
static struct mapping **
sort_mappings(const struct mapping_subnet *subnet, size_t *ret_n)
{
    struct mapping **sorted = xcalloc(
        MAX(ovs_list_size(&subnet->mappings), 1), sizeof *sorted);
    struct mapping *m;
    size_t n = 0;

    LIST_FOR_EACH (m, subnet_node, &subnet->mappings) {
        if (m->placed) {
            sorted[n++] = m;
        }
    }
    qsort(sorted, n, sizeof *sorted, compare_mappings);
    *ret_n = n;
    return sorted;
}

static void
add_ca(struct rules_guest *guest, const struct in6_addr *ca)
{
    if (!addr_is_ipv4(ca)) {
        if (!ipv6_addr_is_set(&guest->ca6)
            || addr_compare(ca, &guest->ca6) < 0) {
            guest->ca6 = *ca;
        }
    } else if (!guest->ca4
               || ntohl(addr_to_ipv4(ca)) < ntohl(guest->ca4)) {
        guest->ca4 = addr_to_ipv4(ca);
    }
}

static struct rules_guest *
list_guests(const struct mapping_subnet *subnet, size_t *ret_n)
{
    size_t n_sorted, n = 0;
    struct mapping **sorted = sort_mappings(subnet, &n_sorted);
    struct rules_guest *guests = xcalloc(MAX(n_sorted, 1), sizeof *guests);

    for (size_t i = 0; i < n_sorted; i++) {
        const struct mapping *m = sorted[i];

        if (!i || !eth_addr_equals(m->mac, sorted[i - 1]->mac)) {
            guests[n++] = (struct rules_guest) {
                .mac = m->mac, .where = m->locator->where,
            };
        }
        if (m->has_ca) {
            add_ca(&guests[n - 1], &m->ca);
        }
    }
    free(sorted);
    *ret_n = n;
    return guests;
}

/* Returns true if the list changed. */
static bool
renew_list(struct mapping_subnet *subnet)
{
    struct rules_subnet *rules = CONST_CAST(struct rules_subnet *,
                                            subnet->rules);
    size_t n;
    struct rules_guest *guests = list_guests(subnet, &n);

    subnet->guests_stale = false;
    if (rules_guests_equal(guests, n, rules->guests, rules->n_guests)) {
        free(guests);
        return false;
    }
    free(rules->guests);
    rules->guests = guests;
    rules->n_guests = n;
    return true;
}

bool
guests_settle(struct mappings *mappings)
{
    struct mapping_subnet *subnet;
    bool changed = false;

    if (mappings->guests_stale) {
        LIST_FOR_EACH (subnet, listed_node, &mappings->listed) {
            if (subnet->guests_stale) {
                changed |= renew_list(subnet);
            }
        }
        mappings->guests_stale = false;
    }
    return changed;
}
