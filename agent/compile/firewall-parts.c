/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/firewall-parts.h"
#include <stdlib.h>
#include "compile/compile.h"
#include "compile/firewall-set.h"
#include "hash.h"
#include "model/firewall.h"
#include "openvswitch/hmap.h"
#include "plan/plan.h"
#include "util.h"

struct kept_part {
    struct hmap_node node;      /* In struct firewall_parts's 'parts'. */
    uint64_t serial;            /* Of the set. */
    bool used;                  /* In this compilation. */
    struct plan_part *part;
};

struct firewall_parts {
    struct hmap parts;          /* By serial. */
};

struct firewall_parts *
firewall_parts_create(void)
{
    struct firewall_parts *parts = xmalloc(sizeof *parts);

    hmap_init(&parts->parts);
    return parts;
}

static void
forget(struct firewall_parts *parts, struct kept_part *kept)
{
    hmap_remove(&parts->parts, &kept->node);
    plan_part_unref(kept->part);
    free(kept);
}

void
firewall_parts_destroy(struct firewall_parts *parts)
{
    struct kept_part *kept;

    if (parts) {
        HMAP_FOR_EACH_SAFE (kept, node, &parts->parts) {
            forget(parts, kept);
        }
        hmap_destroy(&parts->parts);
        free(parts);
    }
}

static struct kept_part *
find(const struct firewall_parts *parts, uint64_t serial)
{
    struct kept_part *kept;

    HMAP_FOR_EACH_WITH_HASH (kept, node, hash_uint64(serial), &parts->parts) {
        if (kept->serial == serial) {
            return kept;
        }
    }
    return NULL;
}

static void
use_set(struct firewall_parts *parts, const struct fw_set *set,
        struct plan *plan)
{
    struct kept_part *kept = find(parts, set->serial);

    if (!kept) {
        kept = xmalloc(sizeof *kept);
        *kept = (struct kept_part) {
            .serial = set->serial,
            .part = plan_part_create(set->number, firewall_set_compile(set)),
        };
        hmap_insert(&parts->parts, &kept->node, hash_uint64(set->serial));
    }
    if (!kept->used) {
        kept->used = true;
        plan_add_part(plan, kept->part);
    }
}

void
firewall_parts_add(struct firewall_parts *parts,
                   const struct bound_port *ports, size_t n, struct plan *plan)
{
    struct kept_part *kept;

    HMAP_FOR_EACH (kept, node, &parts->parts) {
        kept->used = false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct fw_port *fw = ports[i].firewall;

        if (ports[i].state != PORT_ACTIVE || fw->open) {
            continue;
        }
        for (int j = 0; j < N_FW_LAYERS * N_FW_DIRECTIONS; j++) {
            const struct fw_set *set = fw->sets[j / N_FW_DIRECTIONS]
                                               [j % N_FW_DIRECTIONS];
            if (set) {
                use_set(parts, set, plan);
            }
        }
    }
    HMAP_FOR_EACH_SAFE (kept, node, &parts->parts) {
        if (!kept->used) {
            forget(parts, kept);
        }
    }
}
