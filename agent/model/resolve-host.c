/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdlib.h>
#include "model/locators.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

#define TABLE "Physical_Switch"

static void
add_pa(struct rules *rules, const struct in6_addr *pa)
{
    if (!rules_owns_pa(rules, pa)) {
        rules->pas[rules->n_pas++] = *pa;
    }
}

/* Adds the PAs of a Physical_Switch.  Returns true if it has any. */
static bool
resolve_tunnel_ips(struct resolver *r, const struct stored_row *stored)
{
    const struct row_physical_switch *ps = &stored->row.physical_switch;
    struct rules *rules = r->rules;
    bool any = false;

    rules->pas = xrealloc(rules->pas, (rules->n_pas + ps->n_tunnel_ips)
                                      * sizeof *rules->pas);
    for (size_t i = 0; i < ps->n_tunnel_ips; i++) {
        struct in6_addr pa;

        if (locator_parse_pa(ps->tunnel_ips[i], &pa)) {
            add_pa(rules, &pa);
            any = true;
        } else {
            resolver_complain(r, DIAG_BAD_ADDRESS, stored, TABLE,
                              "tunnel_ips", "tunnel_ips: \"%s\" is not the "
                              "IP address of a host.", ps->tunnel_ips[i]);
        }
    }
    return any;
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

/* A host has one Physical_Switch row.  Should there be more, then all their
 * PAs are this host's, and for the rest the first to arrive counts that has a
 * PA, or just the first. */
void
resolve_host(struct resolver *r)
{
    struct rules *rules = r->rules;
    bool decided = false;
    size_t n;
    const struct stored_row **rows
        = row_store_sort(r->rows, ROW_PHYSICAL_SWITCH, &n);

    for (size_t i = 0; i < n; i++) {
        bool has_pa = resolve_tunnel_ips(r, rows[i]);
        struct eth_addr mac = resolve_router_mac(r, rows[i]);

        if (!i || (has_pa && !decided)) {
            rules->physical_switch = rows[i]->row.uuid;
            rules->router_mac = mac;
        }
        decided = decided || has_pa;
    }
    if (rules->n_pas) {
        qsort(rules->pas, rules->n_pas, sizeof *rules->pas, compare_pas);
    }
    free(rows);
}
