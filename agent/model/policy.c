/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/policy.h"

#include <stdlib.h>
#include <string.h>
#include "model/diag-report.h"
#include "model/guests.h"
#include "model/locators.h"
#include "model/mappings.h"
#include "model/resolve.h"
#include "model/row-store.h"
#include "util.h"

struct policy {
    /* What came in. */
    struct row_store rows;
    struct locators locators;
    struct mappings mappings;

    /* What was made of it. */
    struct rules *rules;
    bool rules_stale;
    char *host_name;            /* NULL if unknown. */

    /* What the sink was told: about rows that rules are made from, and about
     * locators and mappings. */
    struct diag_set rule_diags;
    struct diag_set other_diags;
};

/* All diagnostics that a locator can have. */
static const struct diag_slot locator_diag_slots[] = {
    { "dst_ip", DIAG_BAD_ADDRESS },
    { "encapsulation_type", DIAG_ENCAP_MISMATCH },
};

struct policy *
policy_create(void)
{
    struct policy *policy = xzalloc(sizeof *policy);

    row_store_init(&policy->rows);
    locators_init(&policy->locators);
    mappings_init(&policy->mappings, &policy->locators,
                  &policy->other_diags);
    policy->rules = xzalloc(sizeof *policy->rules);
    diag_set_init(&policy->rule_diags);
    diag_set_init(&policy->other_diags);
    return policy;
}

void
policy_destroy(struct policy *policy)
{
    if (!policy) {
        return;
    }
    mappings_uninit(&policy->mappings);
    locators_uninit(&policy->locators);
    row_store_uninit(&policy->rows);
    rules_destroy(policy->rules);
    free(policy->host_name);
    diag_set_uninit(&policy->rule_diags);
    diag_set_uninit(&policy->other_diags);
    free(policy);
}

void
policy_set_host_name(struct policy *policy, const char *name)
{
    if (!nullable_string_is_equal(policy->host_name, name)) {
        free(policy->host_name);
        policy->host_name = nullable_xstrdup(name);
        policy->rules_stale = true;
    }
}

/* Taking in. */

static bool
apply_rule_row(struct policy *policy, const struct row_change *change)
{
    return row_store_apply(&policy->rows, change);
}

/* Rules depend on the locators that some set mentions. */
static bool
apply_locator_set(struct policy *policy, const struct row_change *change)
{
    const struct stored_row *old = row_store_find(
        &policy->rows, ROW_LOCATOR_SET, &change->row.uuid);

    if (!change->deleted) {
        locators_mention(&policy->locators, &change->row.locator_set);
    }
    if (old) {
        locators_unmention(&policy->locators, &old->row.locator_set);
    }
    return row_store_apply(&policy->rows, change);
}

void
policy_apply(struct policy *policy, const struct row_change *change)
{
    bool stale = false;

    switch (change->row.table) {
    case ROW_GLOBAL:
        break;
    case ROW_PHYSICAL_SWITCH:
    case ROW_LOGICAL_SWITCH:
    case ROW_LOGICAL_ROUTER:
    case ROW_PHYSICAL_PORT:
    case ROW_MCAST_REMOTE:
    case ROW_DARV_PORT:
        stale = apply_rule_row(policy, change);
        break;
    case ROW_LOCATOR_SET:
        stale = apply_locator_set(policy, change);
        break;
    case ROW_LOCATOR:
        /* A migration wants the encapsulation of whichever locator has its
         * PA. */
        stale = (locators_apply(&policy->locators, change)
                 || policy->rules->n_migrations > 0);
        break;
    case ROW_UCAST_REMOTE:
        mappings_apply(&policy->mappings, change);
        break;
    }
    policy->rules_stale |= stale;
}

bool
policy_is_unsettled(const struct policy *policy)
{
    return (policy->rules_stale
            || !ovs_list_is_empty(&policy->locators.dirty)
            || mappings_are_unsettled(&policy->mappings));
}

/* Settling. */

/* Goes over to 'new' rules.  Mappings hold on to the old ones until they are
 * told, so these must stay until then. */
static void
adopt_rules(struct policy *policy, struct rules *new)
{
    struct rules *old = policy->rules;

    if (!rules_pas_equal(old, new)) {
        locators_touch_all(&policy->locators);
    }
    memcpy(new->tunnels, old->tunnels, sizeof new->tunnels);
    mappings_adopt_rules(&policy->mappings, new);
    policy->rules = new;
    rules_destroy(old);
}

/* Returns true if the rules changed. */
static bool
renew_rules(struct policy *policy, const struct policy_sink *sink)
{
    struct diag_set diags;
    struct rules *new;
    bool changed;

    diag_set_init(&diags);
    new = resolve(&policy->rows, &policy->locators, policy->host_name,
                  &diags);
    diag_report_all(&policy->rule_diags, &diags, sink);
    diag_set_uninit(&diags);

    changed = !rules_equal(policy->rules, new);
    if (changed) {
        adopt_rules(policy, new);
    } else {
        rules_destroy(new);
    }
    policy->rules_stale = false;
    return changed;
}

static void
report_locator(struct policy *policy, const struct locator *locator,
               const struct policy_sink *sink)
{
    struct diag_set diags;

    diag_set_init(&diags);
    locator_diagnose(locator, &diags);
    diag_report_row(&policy->other_diags, &diags, &locator->uuid,
                    locator_diag_slots, ARRAY_SIZE(locator_diag_slots), sink);
    diag_set_uninit(&diags);
}

/* In two rounds: all mappings must have left their seats before the first
 * locator changes its place, because who had to make way for whom goes by the
 * old places. */
static void
settle_locators(struct policy *policy, const struct policy_sink *sink)
{
    struct locators *locators = &policy->locators;
    struct locator *locator;

    LIST_FOR_EACH (locator, dirty_node, &locators->dirty) {
        report_locator(policy, locator, sink);
        if (locator_will_change(locator, policy->rules)) {
            mappings_revisit_locator(&policy->mappings, locator);
        }
    }
    LIST_FOR_EACH_SAFE (locator, dirty_node, &locators->dirty) {
        locators_adopt(locators, locator, policy->rules);
    }
}

/* Returns true if the rules changed. */
static bool
update_tunnels(struct policy *policy)
{
    struct rules_tunnels new[N_PA_FAMILIES];

    for (size_t i = 0; i < N_PA_FAMILIES; i++) {
        new[i].vxlan = policy->locators.n_vxlan[i] > 0;
        new[i].nvgre = policy->locators.n_nvgre[i] > 0;
    }

    bool changed = memcmp(policy->rules->tunnels, new, sizeof new);
    memcpy(policy->rules->tunnels, new, sizeof new);
    return changed;
}

bool
policy_settle(struct policy *policy, const struct policy_sink *sink)
{
    bool changed = policy->rules_stale && renew_rules(policy, sink);

    settle_locators(policy, sink);
    mappings_settle(&policy->mappings, sink);
    changed |= guests_settle(&policy->mappings);
    return update_tunnels(policy) || changed;
}

/* Reading. */

const struct rules *
policy_rules(const struct policy *policy)
{
    return policy->rules;
}

bool
policy_find_space(const struct policy *policy, const struct space_key *key,
                  struct space_entry *ret_entry)
{
    return (key->kind == SPACE_PEER
            ? peers_find(&policy->mappings.peers, key, ret_entry)
            : slots_find(&policy->mappings.slots, key, ret_entry));
}

bool
policy_mac_is_fixed(const struct policy *policy, uint32_t vsid,
                    struct eth_addr mac)
{
    return slots_mac_is_fixed(&policy->mappings.slots, vsid, mac);
}

size_t
policy_count_space(const struct policy *policy)
{
    return policy->mappings.slots.n_entries;
}

size_t
policy_count_peers(const struct policy *policy)
{
    return policy->mappings.peers.n_entries;
}

void
policy_for_each_space(const struct policy *policy,
                      void (*cb)(const struct space_entry *, void *aux),
                      void *aux)
{
    slots_for_each(&policy->mappings.slots, cb, aux);
    peers_for_each(&policy->mappings.peers, cb, aux);
}

size_t
policy_count_mappings(const struct policy *policy)
{
    return hmap_count(&policy->mappings.by_uuid);
}
