/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/firewall-zones.h"
#include <stdlib.h>
#include "bitmap.h"
#include "compile/compile.h"
#include "hash.h"
#include "host/host-view.h"
#include "model/rules.h"
#include "util.h"

/* Zones of VLANs. */
enum { FIRST_ZONE = 0x8000, LAST_ZONE = 0xfffe };

static bool
has_number(const struct bound_port *bound)
{
    return bound->iface && bound->iface->ofport != OFPP_NONE;
}

static uint16_t
choose_number(const unsigned long *used, uint32_t ofport, uint32_t vsid)
{
    const size_t n = LAST_ZONE - FIRST_ZONE + 1;
    size_t first = hash_2words(ofport, vsid) % n;

    for (size_t i = 0; i < n; i++) {
        uint16_t number = FIRST_ZONE + (first + i) % n;

        if (!bitmap_is_set(used, number)) {
            return number;
        }
    }
    return 0;
}

static size_t
count(const struct bound_port *ports, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        count += has_number(&ports[i]) ? 1 + ports[i].port->n_trunks : 0;
    }
    return count;
}

/* Returns how many. */
static size_t
add_zones(struct firewall_zone *zones, const struct bound_port *bound,
          unsigned long *used)
{
    const struct rules_port *port = bound->port;
    uint16_t ofport = bound->iface->ofport;
    size_t n = 0;

    if (port->vsid || !port->n_trunks) {
        zones[n++] = (struct firewall_zone) {
            bound, port->n_trunks ? port->vsid : 0, ofport,
        };
    }
    for (size_t i = 0; i < port->n_trunks; i++) {
        uint32_t vsid = port->trunks[i].vsid;
        uint16_t number = choose_number(used, ofport, vsid);

        bitmap_set1(used, number);
        zones[n++] = (struct firewall_zone) { bound, vsid, number };
    }
    return n;
}

struct firewall_zone *
firewall_zones(const struct bound_port *ports, size_t n, size_t *ret_n)
{
    struct firewall_zone *zones = xcalloc(MAX(count(ports, n), 1),
                                          sizeof *zones);
    unsigned long *used = bitmap_allocate(UINT16_MAX + 1);
    size_t n_zones = 0;

    for (size_t i = 0; i < n; i++) {
        if (has_number(&ports[i])) {
            bitmap_set1(used, (uint16_t) ports[i].iface->ofport);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (has_number(&ports[i])) {
            n_zones += add_zones(&zones[n_zones], &ports[i], used);
        }
    }
    bitmap_free(used);
    *ret_n = n_zones;
    return zones;
}
