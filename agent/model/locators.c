/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/locators.h"

#include <stdlib.h>
#include <string.h>
#include "model/rules.h"
#include "util.h"
#include "util/addr.h"
#include "util/diag.h"
#include "uuid.h"

/* What Physical_Locator.encapsulation_type may say. */
static const struct encapsulation {
    const char *name;
    enum space_encap encap;
    bool over_ipv4;
} encapsulations[] = {
    { "vxlan_over_ipv4", SPACE_VXLAN, true },
    { "vxlan_over_ipv6", SPACE_VXLAN, false },
    { "nvgre_over_ipv4", SPACE_NVGRE, true },
    { "nvgre_over_ipv6", SPACE_NVGRE, false },
};

static const struct encapsulation *
find_encapsulation(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(encapsulations); i++) {
        if (!strcmp(encapsulations[i].name, name)) {
            return &encapsulations[i];
        }
    }
    return NULL;
}

void
locators_init(struct locators *locators)
{
    hmap_init(&locators->by_uuid);
    ovs_list_init(&locators->dirty);
}

static void
locator_forget_row(struct locator *locator)
{
    free(locator->dst_ip);
    free(locator->encapsulation_type);
    locator->dst_ip = NULL;
    locator->encapsulation_type = NULL;
    locator->usable = false;
}

static void
locator_destroy(struct locators *locators, struct locator *locator)
{
    if (locator->dirty) {
        ovs_list_remove(&locator->dirty_node);
    }
    hmap_remove(&locators->by_uuid, &locator->node);
    locator_forget_row(locator);
    free(locator);
}

void
locators_uninit(struct locators *locators)
{
    struct locator *locator;

    HMAP_FOR_EACH_SAFE (locator, node, &locators->by_uuid) {
        locator_destroy(locators, locator);
    }
    hmap_destroy(&locators->by_uuid);
}

struct locator *
locators_find(const struct locators *locators, const struct uuid *uuid)
{
    struct locator *locator;

    HMAP_FOR_EACH_WITH_HASH (locator, node, uuid_hash(uuid),
                             &locators->by_uuid) {
        if (uuid_equals(&locator->uuid, uuid)) {
            return locator;
        }
    }
    return NULL;
}

struct locator *
locators_get(struct locators *locators, const struct uuid *uuid)
{
    struct locator *locator = locators_find(locators, uuid);

    if (!locator) {
        locator = xzalloc(sizeof *locator);
        locator->uuid = *uuid;
        ovs_list_init(&locator->mappings);
        hmap_insert(&locators->by_uuid, &locator->node, uuid_hash(uuid));
    }
    return locator;
}

void
locators_release(struct locators *locators, struct locator *locator)
{
    if (!locator->dst_ip && !locator->n_sets && !locator->dirty
        && ovs_list_is_empty(&locator->mappings)) {
        locator_destroy(locators, locator);
    }
}

static void
locator_touch(struct locators *locators, struct locator *locator)
{
    if (!locator->dirty) {
        locator->dirty = true;
        ovs_list_push_back(&locators->dirty, &locator->dirty_node);
    }
}

enum space_encap
locators_encap_to(const struct locators *locators, const struct in6_addr *pa)
{
    enum space_encap encap = SPACE_VXLAN;
    const struct locator *locator;

    HMAP_FOR_EACH (locator, node, &locators->by_uuid) {
        if (locator->usable && addr_equal(&locator->pa, pa)) {
            if (locator->encap == SPACE_VXLAN) {
                return SPACE_VXLAN;
            }
            encap = locator->encap;
        }
    }
    return encap;
}

void
locators_touch_all(struct locators *locators)
{
    struct locator *locator;

    HMAP_FOR_EACH (locator, node, &locators->by_uuid) {
        locator_touch(locators, locator);
    }
}

/* A PA names one host. */
static bool
can_be_pa(const struct in6_addr *addr)
{
    if (addr_is_ipv4(addr)) {
        uint32_t ipv4 = ntohl(addr_to_ipv4(addr));

        return (ipv4 >> 24 && ipv4 >> 24 != 127
                && ipv4 < 0xe0000000);      /* Class D, E and broadcast. */
    }
    return (!IN6_IS_ADDR_UNSPECIFIED(addr) && !IN6_IS_ADDR_MULTICAST(addr)
            && !IN6_IS_ADDR_LOOPBACK(addr));
}

bool
locator_parse_pa(const char *text, struct in6_addr *ret_pa)
{
    struct in6_addr pa;

    if (!addr_parse(text, &pa) || !can_be_pa(&pa)) {
        return false;
    }
    *ret_pa = pa;
    return true;
}

static void
locator_learn_row(struct locator *locator, const struct row_locator *row)
{
    const struct encapsulation *e
        = find_encapsulation(row->encapsulation_type);

    locator_forget_row(locator);
    locator->dst_ip = xstrdup(row->dst_ip);
    locator->encapsulation_type = xstrdup(row->encapsulation_type);
    if (locator_parse_pa(locator->dst_ip, &locator->pa) && e
        && e->over_ipv4 == addr_is_ipv4(&locator->pa)) {
        locator->usable = true;
        locator->encap = e->encap;
    }
}

static bool
locator_row_equals(const struct locator *locator,
                   const struct row_change *change)
{
    const struct row_locator *row = &change->row.locator;

    if (change->deleted || !locator->dst_ip) {
        return change->deleted && !locator->dst_ip;
    }
    return !strcmp(locator->dst_ip, row->dst_ip)
           && !strcmp(locator->encapsulation_type, row->encapsulation_type);
}

bool
locators_apply(struct locators *locators, const struct row_change *change)
{
    struct locator *locator = locators_get(locators, &change->row.uuid);
    bool rules_depend = locator->n_sets > 0;

    if (locator_row_equals(locator, change)) {
        locators_release(locators, locator);
        return false;
    }
    if (change->deleted) {
        locator_forget_row(locator);
    } else {
        locator_learn_row(locator, &change->row.locator);
    }
    locator_touch(locators, locator);
    return rules_depend;
}

void
locators_mention(struct locators *locators, const struct row_locator_set *set)
{
    for (size_t i = 0; i < set->n_locators; i++) {
        locators_get(locators, &set->locators[i])->n_sets++;
    }
}

void
locators_unmention(struct locators *locators,
                   const struct row_locator_set *set)
{
    for (size_t i = 0; i < set->n_locators; i++) {
        struct locator *locator = locators_get(locators, &set->locators[i]);

        locator->n_sets--;
        locators_release(locators, locator);
    }
}

/* Where the locator's row says that a CA is, given this host's PAs. */
static struct space_where
locator_resolve(const struct locator *locator, const struct rules *rules)
{
    struct space_where where = { .encap = SPACE_LOCAL };

    if (!rules_owns_pa(rules, &locator->pa)) {
        where.encap = locator->encap;
        where.pa = locator->pa;
    }
    return where;
}

bool
locator_will_change(const struct locator *locator, const struct rules *rules)
{
    struct space_where where;

    if (!locator->usable || !locator->resolved) {
        return locator->usable != locator->resolved;
    }
    where = locator_resolve(locator, rules);
    return !space_where_equal(&where, &locator->where)
           || !addr_equal(&locator->pa, &locator->resolved_pa);
}

static void
count_tunnel(struct locators *locators, const struct locator *locator,
             int delta)
{
    enum pa_family family = pa_family(&locator->where.pa);

    if (locator->resolved && locator->where.encap == SPACE_VXLAN) {
        locators->n_vxlan[family] += delta;
    } else if (locator->resolved && locator->where.encap == SPACE_NVGRE) {
        locators->n_nvgre[family] += delta;
    }
}

void
locators_adopt(struct locators *locators, struct locator *locator,
               const struct rules *rules)
{
    count_tunnel(locators, locator, -1);
    locator->resolved = locator->usable;
    if (locator->usable) {
        locator->where = locator_resolve(locator, rules);
        locator->resolved_pa = locator->pa;
    }
    count_tunnel(locators, locator, 1);
    ovs_list_remove(&locator->dirty_node);
    locator->dirty = false;
    locators_release(locators, locator);
}

void
locator_diagnose(const struct locator *locator, struct diag_set *diags)
{
    struct in6_addr pa;

    if (!locator->dst_ip || locator->usable) {
        return;
    }
    if (!locator_parse_pa(locator->dst_ip, &pa)) {
        diag_set_add(diags, DIAG_BAD_ADDRESS, &locator->uuid,
                     "Physical_Locator", "dst_ip",
                     "dst_ip \"%s\" is not the IP address of a host.",
                     locator->dst_ip);
    } else {
        diag_set_add(diags, DIAG_ENCAP_MISMATCH, &locator->uuid,
                     "Physical_Locator", "encapsulation_type",
                     "Encapsulation \"%s\" does not fit dst_ip %s, "
                     "which is an %s address.",
                     locator->encapsulation_type, locator->dst_ip,
                     addr_is_ipv4(&pa) ? "IPv4" : "IPv6");
    }
}
