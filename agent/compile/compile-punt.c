/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/punt.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/compile-private.h"
#include "openvswitch/ofp-port.h"
#include "util.h"

char *
compile_punt(enum punt_kind kind)
{
    return xasprintf("set_field:%#x/0xff->"REG_PUNT",resubmit(,%d)", kind,
                     TABLE_PUNT);
}

char *
compile_refuse(enum punt_kind kind, enum drop_reason reason)
{
    char *punt = compile_punt(kind);
    char *drop = compile_drop(reason);
    char *actions = xasprintf("%s,%s", punt, drop);

    free(drop);
    free(punt);
    return actions;
}

/* The number of a port's meter is that of the port. */
static void
punt_from(struct compile_ctx *cx, ofp_port_t port, uint64_t cookie)
{
    if (port == OFPP_NONE) {
        return;
    }
    plan_add_meter(cx->plan, port);
    plan_add(cx->plan, TABLE_PUNT, 100, cookie,
             plan_text("in_port=%"PRIu32, port),
             plan_text("controller(userdata=%02x,max_len=65535,"
                       "meter_id=%"PRIu32")", PUNT_USERDATA, port));
}

void
compile_punts(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->n_ports; i++) {
        const struct bound_port *bound = &cx->ports[i];

        if (bound->state == PORT_ACTIVE) {
            punt_from(cx, bound->iface->ofport,
                      row_cookie(&bound->port->row));
        }
    }
    punt_from(cx, cx->host->vxlan, 0);
    punt_from(cx, cx->host->nvgre, 0);
}
