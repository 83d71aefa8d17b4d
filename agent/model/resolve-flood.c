/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdlib.h>
#include <strings.h>
#include "model/locators.h"
#include "model/rules.h"
#include "util.h"
#include "util/addr.h"
#include "uuid.h"

/* Where a subnet's broadcasts go: an Mcast_Macs_Remote row's locators.  Not
 * with IP rewrite, whose packets have one guest's address each. */
struct flood_target {
    struct rules_subnet *subnet;
    struct space_where where;
    bool here;                  /* The PA is this host's. */
};

struct flood_targets {
    struct flood_target *items;
    size_t n;
    size_t allocated;
};

static void
add_target(struct resolver *r, struct flood_targets *targets,
           struct rules_subnet *subnet, const struct uuid *locator_row)
{
    const struct locator *locator = locators_find(r->locators, locator_row);

    if (!locator || !locator->usable) {
        return;
    }
    if (targets->n >= targets->allocated) {
        targets->items = x2nrealloc(targets->items, &targets->allocated,
                                    sizeof *targets->items);
    }
    targets->items[targets->n++] = (struct flood_target) {
        .subnet = subnet,
        .where = { .encap = locator->encap, .pa = locator->pa },
        .here = rules_owns_pa(r->rules, &locator->pa),
    };
}

static void
add_row(struct resolver *r, struct flood_targets *targets,
        const struct row_mcast *mcast)
{
    struct rules_subnet *subnet
        = resolver_find_subnet(r, &mcast->logical_switch);
    const struct stored_row *set
        = row_store_find(r->rows, ROW_LOCATOR_SET, &mcast->locator_set);

    if (!subnet || subnet->rewrite || !set
        || strcasecmp(mcast->mac, "unknown-dst")) {
        return;
    }
    for (size_t i = 0; i < set->row.locator_set.n_locators; i++) {
        add_target(r, targets, subnet, &set->row.locator_set.locators[i]);
    }
}

/* By subnet and PA; of those with one PA, the one to keep comes first: VXLAN,
 * whichever row was first, so that a restart changes nothing. */
static int
compare_targets(const void *a_, const void *b_)
{
    const struct flood_target *a = a_;
    const struct flood_target *b = b_;

    if (a->subnet != b->subnet) {
        return a->subnet->vsid < b->subnet->vsid ? -1 : 1;
    }
    if (!addr_equal(&a->where.pa, &b->where.pa)) {
        return addr_compare(&a->where.pa, &b->where.pa);
    }
    return (a->where.encap > b->where.encap)
           - (a->where.encap < b->where.encap);
}

/* Gives 'subnet' the first 'n' of 'targets', which are all its own, each PA
 * once. */
static void
set_flood(struct rules_subnet *subnet, const struct flood_target *targets,
          size_t n)
{
    subnet->flood = xcalloc(n, sizeof *subnet->flood);
    subnet->flood_here = xcalloc(n, sizeof *subnet->flood_here);
    for (size_t i = 0; i < n; i++) {
        const struct space_where *where = &targets[i].where;

        if (i && addr_equal(&where->pa, &targets[i - 1].where.pa)) {
            continue;
        }
        if (targets[i].here) {
            subnet->flood_here[subnet->n_flood_here++] = where->pa;
        } else {
            subnet->flood[subnet->n_flood++] = *where;
        }
    }
}

void
resolve_flood(struct resolver *r)
{
    struct flood_targets targets = { .n = 0 };
    const struct stored_row *stored;

    HMAP_FOR_EACH (stored, node, &r->rows->tables[ROW_MCAST_REMOTE]) {
        add_row(r, &targets, &stored->row.mcast);
    }
    if (targets.n) {
        qsort(targets.items, targets.n, sizeof *targets.items,
              compare_targets);
    }
    for (size_t i = 0, n; i < targets.n; i += n) {
        struct rules_subnet *subnet = targets.items[i].subnet;

        for (n = 1; i + n < targets.n
                    && targets.items[i + n].subnet == subnet; n++) {
            continue;
        }
        set_flood(subnet, &targets.items[i], n);
    }
    free(targets.items);
}
