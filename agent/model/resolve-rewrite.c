/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdlib.h>
#include "model/other-config.h"
#include "model/rules.h"
#include "util.h"

#define TABLE "Logical_Switch"
#define KEY "encapsulation"

/* Domains, in ascending order. */
struct domains {
    uint32_t *items;
    size_t n;
};

static int
compare_domains(const void *a_, const void *b_)
{
    const uint32_t *a = a_;
    const uint32_t *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static void
domains_init_tunnelled(struct domains *domains, const struct rules *rules)
{
    domains->items = xcalloc(MAX(rules->n_subnets, 1), sizeof *domains->items);
    domains->n = 0;
    for (size_t i = 0; i < rules->n_subnets; i++) {
        if (!rules->subnets[i].rewrite) {
            domains->items[domains->n++] = rules->subnets[i].domain;
        }
    }
    qsort(domains->items, domains->n, sizeof *domains->items,
          compare_domains);
}

static bool
domains_contain(const struct domains *domains, uint32_t domain)
{
    return bsearch(&domain, domains->items, domains->n,
                   sizeof *domains->items, compare_domains) != NULL;
}

static struct other_config
config_of(struct resolver *r, const struct draft_subnet *draft)
{
    return (struct other_config) {
        .resolver = r,
        .row = draft->row,
        .table = TABLE,
        .map = &draft->row->row.logical_switch.other_config,
    };
}

static bool
reads_rewrite(struct resolver *r, const struct draft_subnet *draft)
{
    static const char *const words[] = { "tunnel", "ip_rewrite" };
    const struct other_config config = config_of(r, draft);

    return other_config_word(&config, KEY, words, ARRAY_SIZE(words), 0);
}

/* Who has no PA of its own cannot send to who is known by one. */
static void
diagnose_mixture(struct resolver *r)
{
    const struct draft_subnet *draft;
    struct domains tunnelled;

    domains_init_tunnelled(&tunnelled, r->rules);
    HMAP_FOR_EACH (draft, node, &r->drafts) {
        const struct rules_subnet *subnet
            = resolver_find_subnet(r, &draft->row->row.uuid);

        if (subnet && subnet->rewrite && subnet->routed
            && domains_contain(&tunnelled, subnet->domain)) {
            resolver_complain(r, DIAG_OTHER_CONFIG, draft->row, TABLE,
                              "other_config", "other_config:"KEY" "
                              "\"ip_rewrite\": other subnets of the network "
                              "use tunnels; nothing is routed from them into "
                              "this one.");
        }
    }
    free(tunnelled.items);
}

void
resolve_rewrite(struct resolver *r)
{
    const struct draft_subnet *draft;

    HMAP_FOR_EACH (draft, node, &r->drafts) {
        bool rewrite = reads_rewrite(r, draft);
        struct rules_subnet *subnet
            = resolver_find_subnet(r, &draft->row->row.uuid);

        if (subnet) {
            subnet->rewrite = rewrite;
            r->rules->rewrite |= rewrite;
        }
    }
    diagnose_mixture(r);
}
