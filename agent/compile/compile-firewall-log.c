/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include "compile/firewall-zones.h"
#include "compile/punt.h"
#include "model/firewall.h"
#include "util.h"

/* FW_LOG: where a rule whose decisions are logged sends the packet that it
 * decides about, and from where it comes back.  The agent gets a copy of those
 * that open a connection, and of those of no connection, at the rate that the
 * port's meter for it lets through. */

static bool
logs(const struct bound_port *bound)
{
    for (int i = 0; i < N_FW_LAYERS; i++) {
        for (int j = 0; j < N_FW_DIRECTIONS; j++) {
            const struct fw_set *set = bound->firewall->sets[i][j];

            if (set && set->logs) {
                return true;
            }
        }
    }
    return false;
}

static void
log_zone(struct compile_ctx *cx, const struct firewall_zone *zone)
{
    const struct bound_port *bound = zone->bound;
    static const char *const states[] = { "+trk+new", "-trk" };
    uint32_t meter = punt_log_meter(bound->iface->ofport);

    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        plan_add(cx->plan, TABLE_FW_LOG, 100, row_cookie(&bound->port->row),
                 plan_text(REG_FW"=%#"PRIx32"/0xffff,ct_state=%s",
                           (uint32_t) zone->number, states[i]),
                 plan_text("set_field:%#x/0xff->"REG_PUNT","
                           "controller(userdata=%02x,max_len=65535,"
                           "meter_id=%"PRIu32"),"
                           "set_field:0/0xff->"REG_PUNT,
                           PUNT_FIREWALL_LOG, PUNT_USERDATA, meter));
    }
}

void
compile_firewall_log(struct compile_ctx *cx)
{
    const struct bound_port *last = NULL;

    for (size_t i = 0; i < cx->n_zones; i++) {
        const struct firewall_zone *zone = &cx->zones[i];
        const struct bound_port *bound = zone->bound;

        if (bound->state != PORT_ACTIVE || !logs(bound) || !zone->number) {
            continue;
        }
        if (bound != last) {
            plan_add_meter(cx->plan, punt_log_meter(bound->iface->ofport));
            last = bound;
        }
        log_zone(cx, zone);
    }
}
