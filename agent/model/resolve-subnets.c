/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <inttypes.h>
#include <stdlib.h>
#include "model/prefix.h"
#include "model/rules.h"
#include "util.h"
#include "util/addr.h"
#include "uuid.h"

/* A Logical_Router. */
struct draft_network {
    const struct stored_row *row;
    struct ovs_list drafts;     /* Its "struct draft_subnet"s. */
    uint32_t domain;            /* Lowest VSID so far, 0 if none. */
};

/* One pair of Logical_Router.switch_binding. */
struct binding {
    uint64_t arrival;
    struct draft_network *network;
    const char *key;
    struct uuid target;
};

/* VSIDs. */

/* A VSID in use, by the earliest Logical_Switch that has it. */
struct vsid_claim {
    struct hmap_node node;
    const struct stored_row *row;
};

static const struct stored_row *
find_claim(const struct hmap *claims, uint32_t vsid)
{
    const struct vsid_claim *claim;

    HMAP_FOR_EACH_WITH_HASH (claim, node, vsid, claims) {
        if (claim->row->row.logical_switch.tunnel_key == vsid) {
            return claim->row;
        }
    }
    return NULL;
}

static void
add_claim(struct hmap *claims, const struct stored_row *row)
{
    struct vsid_claim *claim = xmalloc(sizeof *claim);

    claim->row = row;
    hmap_insert(claims, &claim->node, row->row.logical_switch.tunnel_key);
}

/* A Logical_Switch has a claim to its VSID even while no network binds it. */
static bool
claim_vsid(struct resolver *r, struct hmap *claims,
           const struct stored_row *stored)
{
    const struct row_logical_switch *ls = &stored->row.logical_switch;
    const struct stored_row *holder;

    if (!ls->has_tunnel_key) {
        return false;
    }
    if (ls->tunnel_key < VSID_MIN || ls->tunnel_key > VSID_MAX) {
        resolver_complain(r, DIAG_VSID_OUT_OF_RANGE, stored,
                          "Logical_Switch", "tunnel_key",
                          "tunnel_key %"PRId64" is not a VSID, which is "
                          "from %d to %d.",
                          ls->tunnel_key, VSID_MIN, VSID_MAX);
        return false;
    }
    holder = find_claim(claims, ls->tunnel_key);
    if (holder) {
        resolver_complain(r, DIAG_VSID_DUPLICATE, stored,
                          "Logical_Switch", "tunnel_key",
                          "VSID %"PRId64" is in use by Logical_Switch "
                          "\"%s\" already.", ls->tunnel_key,
                          holder->row.logical_switch.name);
        return false;
    }
    add_claim(claims, stored);
    return true;
}

static void
make_drafts(struct resolver *r)
{
    struct hmap claims = HMAP_INITIALIZER(&claims);
    struct vsid_claim *claim;
    size_t n;
    const struct stored_row **rows
        = row_store_sort(r->rows, ROW_LOGICAL_SWITCH, &n);

    for (size_t i = 0; i < n; i++) {
        struct draft_subnet *draft = xzalloc(sizeof *draft);

        draft->row = rows[i];
        draft->vsid_ok = claim_vsid(r, &claims, rows[i]);
        hmap_insert(&r->drafts, &draft->node, uuid_hash(&rows[i]->row.uuid));
    }
    HMAP_FOR_EACH_POP (claim, node, &claims) {
        free(claim);
    }
    hmap_destroy(&claims);
    free(rows);
}

/* Bindings. */

static int
compare_bindings(const void *a_, const void *b_)
{
    const struct binding *a = a_;
    const struct binding *b = b_;

    return a->arrival < b->arrival ? -1 : a->arrival > b->arrival;
}

static size_t
count_bindings(const struct draft_network *networks, size_t n)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += networks[i].row->row.logical_router.n_switch_binding;
    }
    return sum;
}

/* Returns the bindings of all networks, in order of arrival. */
static struct binding *
sort_bindings(struct draft_network *networks, size_t n_networks,
              size_t *ret_n)
{
    struct binding *bindings
        = xcalloc(count_bindings(networks, n_networks), sizeof *bindings);
    size_t n = 0;

    for (size_t i = 0; i < n_networks; i++) {
        const struct stored_row *row = networks[i].row;
        const struct row_logical_router *lr = &row->row.logical_router;

        for (size_t j = 0; j < lr->n_switch_binding; j++) {
            bindings[n++] = (struct binding) {
                .arrival = row->binding_arrivals[j],
                .network = &networks[i],
                .key = lr->switch_binding[j].key,
                .target = lr->switch_binding[j].target,
            };
        }
    }
    if (n) {
        qsort(bindings, n, sizeof *bindings, compare_bindings);
    }
    *ret_n = n;
    return bindings;
}

static const struct rules_prefix *
find_overlap(const struct draft_subnet *draft, const struct addr_prefix *net)
{
    for (size_t i = 0; i < draft->n_prefixes; i++) {
        const struct addr_prefix *other = &draft->prefixes[i].net;

        if (addr_prefix_overlaps(other, net)) {
            return &draft->prefixes[i];
        }
    }
    return NULL;
}

/* Returns true if 'net' overlaps no prefix that the network has already. */
static bool
check_overlap(struct resolver *r, const struct binding *b,
              const struct addr_prefix *net)
{
    const struct draft_subnet *draft;

    LIST_FOR_EACH (draft, network_node, &b->network->drafts) {
        const struct rules_prefix *other = find_overlap(draft, net);

        if (other) {
            char buf[ADDR_STRLEN];

            resolver_complain(r, DIAG_PREFIX_OVERLAP, b->network->row,
                              "Logical_Router", "switch_binding",
                              "Prefix \"%s\" overlaps %s of Logical_Switch "
                              "\"%s\" in the same network.",
                              b->key, addr_prefix_format(&other->net, buf),
                              draft->row->row.logical_switch.name);
            return false;
        }
    }
    return true;
}

/* Returns true if no other network has the subnet. */
static bool
check_network(struct resolver *r, const struct binding *b,
              const struct draft_subnet *draft)
{
    if (!draft->network || draft->network == b->network) {
        return true;
    }
    resolver_complain(r, DIAG_SUBNET_IN_TWO_NETWORKS, b->network->row,
                      "Logical_Router", "switch_binding",
                      "Prefix \"%s\": Logical_Switch \"%s\" belongs to "
                      "Logical_Router \"%s\" already.", b->key,
                      draft->row->row.logical_switch.name,
                      draft->network->row->row.logical_router.name);
    return false;
}

static void
accept_binding(const struct binding *b, struct draft_subnet *draft,
               const struct rules_prefix *prefix)
{
    uint32_t vsid = draft->row->row.logical_switch.tunnel_key;

    if (draft->n_prefixes >= draft->allocated_prefixes) {
        draft->prefixes = x2nrealloc(draft->prefixes,
                                     &draft->allocated_prefixes,
                                     sizeof *draft->prefixes);
    }
    draft->prefixes[draft->n_prefixes++] = *prefix;
    if (!draft->network) {
        draft->network = b->network;
        ovs_list_push_back(&b->network->drafts, &draft->network_node);
    }
    if (!b->network->domain || vsid < b->network->domain) {
        b->network->domain = vsid;
    }
}

static void
resolve_binding(struct resolver *r, const struct binding *b)
{
    struct draft_subnet *draft = resolver_find_draft(r, &b->target);
    struct rules_prefix prefix;
    const char *fault = prefix_from_key(b->key, &prefix);

    if (draft) {
        draft->bound = true;
    }
    if (fault) {
        resolver_complain(r, DIAG_BAD_PREFIX, b->network->row,
                          "Logical_Router", "switch_binding",
                          "Prefix \"%s\" %s.", b->key, fault);
    } else if (draft && draft->vsid_ok && check_network(r, b, draft)
               && check_overlap(r, b, &prefix.net)) {
        accept_binding(b, draft, &prefix);
    }
}

/* What a subnet without VSID is for shows only when a network wants it. */
static void
diagnose_missing_vsids(struct resolver *r)
{
    const struct draft_subnet *draft;

    HMAP_FOR_EACH (draft, node, &r->drafts) {
        const struct row_logical_switch *ls = &draft->row->row.logical_switch;

        if (draft->bound && !ls->has_tunnel_key) {
            resolver_complain(r, DIAG_VSID_MISSING, draft->row,
                              "Logical_Switch", "tunnel_key",
                              "Logical_Switch \"%s\" belongs to a network "
                              "but has no VSID (tunnel_key).", ls->name);
        }
    }
}

/* Subnets. */

static int
compare_prefixes(const void *a_, const void *b_)
{
    const struct rules_prefix *a = a_;
    const struct rules_prefix *b = b_;

    return addr_compare(&a->net.addr, &b->net.addr);
}

static int
compare_subnets(const void *a_, const void *b_)
{
    const struct rules_subnet *a = a_;
    const struct rules_subnet *b = b_;

    return a->vsid < b->vsid ? -1 : a->vsid > b->vsid;
}

/* Takes the prefixes out of 'draft', and it out of its network. */
static struct rules_subnet
draft_to_subnet(struct draft_subnet *draft)
{
    const struct row *ls = &draft->row->row;
    const struct row *lr = &draft->network->row->row;
    struct rules_subnet subnet = {
        .row = ls->uuid,
        .network = lr->uuid,
        .name = xstrdup(ls->logical_switch.name),
        .vsid = ls->logical_switch.tunnel_key,
        .domain = draft->network->domain,
        .routed = lr->logical_router.enable_logical_router,
        .prefixes = draft->prefixes,
        .n_prefixes = draft->n_prefixes,
    };

    draft->active = true;
    draft->network = NULL;
    draft->prefixes = NULL;
    draft->n_prefixes = draft->allocated_prefixes = 0;
    qsort(subnet.prefixes, subnet.n_prefixes, sizeof *subnet.prefixes,
          compare_prefixes);
    return subnet;
}

static void
make_subnets(struct resolver *r)
{
    struct rules *rules = r->rules;
    struct draft_subnet *draft;

    rules->subnets = xcalloc(hmap_count(&r->drafts), sizeof *rules->subnets);
    HMAP_FOR_EACH (draft, node, &r->drafts) {
        if (draft->network) {
            rules->subnets[rules->n_subnets++] = draft_to_subnet(draft);
        }
    }
    if (rules->n_subnets) {
        qsort(rules->subnets, rules->n_subnets, sizeof *rules->subnets,
              compare_subnets);
    }
}

static struct draft_network *
make_networks(struct resolver *r, size_t *ret_n)
{
    const struct stored_row **rows
        = row_store_sort(r->rows, ROW_LOGICAL_ROUTER, ret_n);
    struct draft_network *networks = xcalloc(*ret_n, sizeof *networks);

    for (size_t i = 0; i < *ret_n; i++) {
        networks[i].row = rows[i];
        ovs_list_init(&networks[i].drafts);
    }
    free(rows);
    return networks;
}

void
resolve_subnets(struct resolver *r)
{
    size_t n_networks, n_bindings;
    struct draft_network *networks = make_networks(r, &n_networks);
    struct binding *bindings = sort_bindings(networks, n_networks,
                                             &n_bindings);

    make_drafts(r);
    for (size_t i = 0; i < n_bindings; i++) {
        resolve_binding(r, &bindings[i]);
    }
    diagnose_missing_vsids(r);
    make_subnets(r);
    free(bindings);
    free(networks);
}
