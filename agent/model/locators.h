/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_LOCATORS_H
#define MODEL_LOCATORS_H 1

/* Physical_Locators: what they mean, and which mappings use them.
 *
 * A locator's node is there from its first mention on, be it the row itself, a
 * mapping or a locator set, and until the last of these is gone: rows may
 * come and go in any order.
 *
 * A locator has two readings.  'usable', 'encap' and 'pa' are what its row
 * says now.  'resolved' and 'where' are what mappings go by: the same as of
 * the last settling, where one of this host's own PAs reads SPACE_LOCAL.  The
 * second follows the first in locators_adopt(), after all that depends on it
 * was taken out of its place.
 *
 * Threads: one. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include "db/rows.h"
#include "model/rules.h"
#include "model/space.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/uuid.h"

struct diag_set;

struct locator {
    struct hmap_node node;      /* In struct locators' 'by_uuid'. */
    struct uuid uuid;
    struct ovs_list mappings;   /* "struct mapping"s, 'locator_node'. */
    size_t n_sets;              /* Mentions in Physical_Locator_Sets. */
    bool dirty;
    struct ovs_list dirty_node; /* In struct locators' 'dirty' if so. */

    char *dst_ip;               /* NULL if there is no such row. */
    char *encapsulation_type;

    bool usable;
    enum space_encap encap;
    struct in6_addr pa;

    bool resolved;
    struct space_where where;
    struct in6_addr resolved_pa;    /* Even if 'where' is this host. */
};

struct locators {
    struct hmap by_uuid;        /* "struct locator"s. */
    struct ovs_list dirty;      /* "struct locator"s, 'dirty_node'. */
    size_t n_vxlan[N_PA_FAMILIES]; /* Resolved ones of other hosts. */
    size_t n_nvgre[N_PA_FAMILIES];
};

/* Parses the address of one host, as a PA has to be. */
bool locator_parse_pa(const char *text, struct in6_addr *ret_pa);

void locators_init(struct locators *);
void locators_uninit(struct locators *);

/* Takes in a change of a Physical_Locator row.  Returns true if rules depend
 * on it. */
bool locators_apply(struct locators *, const struct row_change *);

/* Counts a mention of each of 'set' in a locator set, or takes it back. */
void locators_mention(struct locators *, const struct row_locator_set *set);
void locators_unmention(struct locators *, const struct row_locator_set *set);

struct locator *locators_find(const struct locators *, const struct uuid *);

/* Finds or makes the node. */
struct locator *locators_get(struct locators *, const struct uuid *);

/* Frees 'locator' if nothing mentions it any more. */
void locators_release(struct locators *, struct locator *);

/* Encapsulation to reach 'pa' by, as rows say: VXLAN unless all of the usable
 * locators with that PA, and there is one, have NVGRE.  Looks at all. */
enum space_encap locators_encap_to(const struct locators *,
                                   const struct in6_addr *pa);

/* Marks all as to be resolved anew. */
void locators_touch_all(struct locators *);

/* True if locators_adopt() would change what mappings of 'locator' see. */
bool locator_will_change(const struct locator *, const struct rules *);

/* Brings a dirty locator's 'resolved' and 'where' up to date.  Afterwards it
 * is not dirty, and might be gone. */
void locators_adopt(struct locators *, struct locator *,
                    const struct rules *);

/* Adds to 'diags' what is wrong with the locator's row, if anything. */
void locator_diagnose(const struct locator *, struct diag_set *diags);

#endif /* model/locators.h */
