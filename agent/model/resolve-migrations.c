/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdlib.h>
#include <string.h>
#include "model/locators.h"
#include "model/prefix.h"
#include "model/rules.h"
#include "util.h"
#include "util/addr.h"

/* Guests on their way: Logical_Switch.other_config:migrating:CA=PA. */

#define KEY "migrating:"
#define TABLE "Logical_Switch"

static void
complain(struct resolver *r, const struct stored_row *stored,
         const struct row_pair *pair, const char *why)
{
    resolver_complain(r, DIAG_OTHER_CONFIG, stored, TABLE, "other_config",
                      "other_config:%.300s=\"%.300s\": %s.", pair->key,
                      pair->value, why);
}

static bool
can_have_ca(const struct rules_subnet *subnet, const struct in6_addr *ca)
{
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct rules_prefix *prefix = &subnet->prefixes[i];

        if (addr_prefix_contains(&prefix->net, ca)) {
            return (!addr_equal(ca, &prefix->gateway)
                    && prefix_can_be_guest(&prefix->net, ca));
        }
    }
    return false;
}

/* One CA can be written in several ways. */
static bool
is_migrating(const struct rules_subnet *subnet, const struct in6_addr *ca)
{
    for (size_t i = 0; i < subnet->n_migrations; i++) {
        if (addr_equal(&subnet->migrations[i].ca, ca)) {
            return true;
        }
    }
    return false;
}

static struct space_where
migration_target(const struct resolver *r, const struct in6_addr *pa)
{
    struct space_where to = { .encap = SPACE_LOCAL };

    if (!rules_owns_pa(r->rules, pa)) {
        to.encap = locators_encap_to(r->locators, pa);
        to.pa = *pa;
    }
    return to;
}

static void
add_migration(struct resolver *r, const struct stored_row *stored,
              const struct row_pair *pair, struct rules_subnet *subnet)
{
    struct in6_addr ca, pa;

    if (subnet->rewrite) {
        complain(r, stored, pair, "with IP rewrite a CA has one PA; give the "
                 "other host the same PA, or its mapping another");
    } else if (!addr_parse(pair->key + strlen(KEY), &ca)) {
        complain(r, stored, pair, "the key does not end in an IP address");
    } else if (!can_have_ca(subnet, &ca)) {
        complain(r, stored, pair, "no guest of the subnet can have this CA");
    } else if (is_migrating(subnet, &ca)) {
        complain(r, stored, pair, "another key is about the same CA");
    } else if (!locator_parse_pa(pair->value, &pa)) {
        complain(r, stored, pair, "the value is not the IP address of a "
                 "host");
    } else {
        subnet->migrations[subnet->n_migrations++]
            = (struct rules_migration) { ca, migration_target(r, &pa) };
        r->rules->n_migrations++;
    }
}

static int
compare_migrations(const void *a_, const void *b_)
{
    const struct rules_migration *a = a_;
    const struct rules_migration *b = b_;

    return addr_compare(&a->ca, &b->ca);
}

static void
resolve_row(struct resolver *r, const struct stored_row *stored)
{
    const struct row_map *map = &stored->row.logical_switch.other_config;
    struct rules_subnet *subnet = resolver_find_subnet(r, &stored->row.uuid);

    for (size_t i = 0; subnet && i < map->n; i++) {
        if (!strncmp(map->pairs[i].key, KEY, strlen(KEY))) {
            if (!subnet->migrations) {
                subnet->migrations = xcalloc(map->n,
                                             sizeof *subnet->migrations);
            }
            add_migration(r, stored, &map->pairs[i], subnet);
        }
    }
    if (subnet && subnet->n_migrations) {
        qsort(subnet->migrations, subnet->n_migrations,
              sizeof *subnet->migrations, compare_migrations);
    }
}

void
resolve_migrations(struct resolver *r)
{
    const struct stored_row *stored;

    HMAP_FOR_EACH (stored, node, &r->rows->tables[ROW_LOGICAL_SWITCH]) {
        resolve_row(r, stored);
    }
}
