/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdlib.h>
#include <string.h>
#include "model/locators.h"
#include "model/other-config.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

#define TABLE "Physical_Switch"
#define VLAN_PREFIX "pa-vlan:"

/* Linux has names of up to 15 characters for devices. */
#define DEVICE_NAME_SIZE 16

static void
resolve_tunnel_ips(struct resolver *r, const struct stored_row *stored)
{
    const struct row_physical_switch *ps = &stored->row.physical_switch;
    struct rules *rules = r->rules;

    rules->pas = xcalloc(ps->n_tunnel_ips, sizeof *rules->pas);
    for (size_t i = 0; i < ps->n_tunnel_ips; i++) {
        struct in6_addr pa;

        if (locator_parse_pa(ps->tunnel_ips[i], &pa)) {
            rules->pas[rules->n_pas++] = pa;
        } else {
            resolver_complain(r, DIAG_BAD_ADDRESS, stored, TABLE,
                              "tunnel_ips", "tunnel_ips: \"%s\" is not the "
                              "IP address of a host.", ps->tunnel_ips[i]);
        }
    }
}

/* Returns the switch's router MAC.  One that a controller leaves out, or gets
 * wrong, is made from the switch's name: guests keep their gateways. */
static struct eth_addr
resolve_router_mac(struct resolver *r, const struct stored_row *stored)
{
    const char *text = stored->row.physical_switch.distributed_router_mac;
    struct eth_addr mac;

    if (addr_mac_parse(text, &mac)) {
        return mac;
    }
    mac = addr_mac_from_name(stored->row.physical_switch.name);
    if (text[0]) {
        resolver_complain(r, DIAG_BAD_MAC, stored, TABLE,
                          "distributed_router_mac",
                          "distributed_router_mac \"%s\" is not the MAC "
                          "address of a host; until it is, "ETH_ADDR_FMT
                          " is used.", text, ETH_ADDR_ARGS(mac));
    }
    return mac;
}

static int
compare_pas(const void *a, const void *b)
{
    return addr_compare(a, b);
}

static bool
has_pa(const struct stored_row *stored)
{
    const struct row_physical_switch *ps = &stored->row.physical_switch;

    for (size_t i = 0; i < ps->n_tunnel_ips; i++) {
        struct in6_addr pa;

        if (locator_parse_pa(ps->tunnel_ips[i], &pa)) {
            return true;
        }
    }
    return false;
}

/* How likely it is that a row is this host's. */
static int
rank_row(const struct resolver *r, const struct stored_row *stored)
{
    const char *name = stored->row.physical_switch.name;

    return 2 * has_pa(stored) + (r->host_name && !strcmp(name, r->host_name));
}

/* A host has one Physical_Switch row.  Should there be more, then the one
 * with a PA counts, of several that with the host's own name, or else the
 * first by name: in any case the same one after a restart.  NULL if there is
 * none. */
static const struct stored_row *
choose_row(const struct resolver *r, const struct stored_row **rows, size_t n)
{
    const struct stored_row *best = NULL;
    int best_rank = 0;

    for (size_t i = 0; i < n; i++) {
        int rank = rank_row(r, rows[i]);

        if (!best || rank > best_rank
            || (rank == best_rank
                && strcmp(rows[i]->row.physical_switch.name,
                          best->row.physical_switch.name) < 0)) {
            best = rows[i];
            best_rank = rank;
        }
    }
    return best;
}

static void
diagnose_other(struct resolver *r, const struct stored_row *other,
               const struct stored_row *chosen)
{
    if (other->row.physical_switch.n_tunnel_ips) {
        resolver_complain(r, DIAG_OTHER_HOST, other, TABLE, "name",
                          "Physical_Switch \"%.300s\" is not this host's, "
                          "which is \"%.300s\"; nothing in it is used.",
                          other->row.physical_switch.name,
                          chosen->row.physical_switch.name);
    }
}

/* Reads other_config:pa-vlan:<PA>, of which 'key' is one. */
static void
resolve_pa_vlan(struct resolver *r, const struct other_config *config,
                const char *key)
{
    struct rules *rules = r->rules;
    struct in6_addr pa;

    if (!locator_parse_pa(key + strlen(VLAN_PREFIX), &pa)
        || !rules_owns_pa(rules, &pa)) {
        other_config_complain(config, key, "used: the key does not end in one "
                              "of this host's tunnel_ips");
        return;
    }
    for (size_t i = 0; i < rules->n_pas; i++) {
        if (addr_equal(&rules->pas[i], &pa)) {
            rules->pa_vlans[i] = other_config_uint(config, key, 1, 4094, 0);
        }
    }
}

/* The network that the PAs are in. */
static void
resolve_pa_network(struct resolver *r, const struct stored_row *stored)
{
    const struct other_config config = {
        .resolver = r,
        .row = stored,
        .table = TABLE,
        .map = &stored->row.physical_switch.other_config,
    };
    const char *vrf = other_config_string(&config, "pa-vrf");

    for (size_t i = 0; i < config.map->n; i++) {
        const char *key = config.map->pairs[i].key;

        if (!strncmp(key, VLAN_PREFIX, strlen(VLAN_PREFIX))) {
            resolve_pa_vlan(r, &config, key);
        }
    }
    if (vrf && vrf[0] && strlen(vrf) < DEVICE_NAME_SIZE) {
        r->rules->pa_vrf = xstrdup(vrf);
    } else if (vrf) {
        other_config_complain(&config, "pa-vrf", "the name of a device");
    }
}

/* Puts the PAs in order, each once. */
static void
sort_pas(struct rules *rules)
{
    size_t n = 0;

    if (rules->n_pas) {
        qsort(rules->pas, rules->n_pas, sizeof *rules->pas, compare_pas);
    }
    for (size_t i = 0; i < rules->n_pas; i++) {
        if (!n || !addr_equal(&rules->pas[i], &rules->pas[n - 1])) {
            rules->pas[n++] = rules->pas[i];
        }
    }
    rules->n_pas = n;
}

void
resolve_host(struct resolver *r)
{
    struct rules *rules = r->rules;
    size_t n;
    const struct stored_row **rows
        = row_store_sort(r->rows, ROW_PHYSICAL_SWITCH, &n);
    const struct stored_row *chosen = choose_row(r, rows, n);

    for (size_t i = 0; i < n; i++) {
        if (rows[i] != chosen) {
            diagnose_other(r, rows[i], chosen);
        }
    }
    if (chosen) {
        rules->physical_switch = chosen->row.uuid;
        rules->router_mac = resolve_router_mac(r, chosen);
        resolve_tunnel_ips(r, chosen);
    }
    sort_pas(rules);
    rules->pa_vlans = xcalloc(MAX(rules->n_pas, 1), sizeof *rules->pa_vlans);
    if (chosen) {
        resolve_pa_network(r, chosen);
    }
    free(rows);
}
