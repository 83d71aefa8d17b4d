/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/pa-vlan.h"
#include <string.h>
#include "host/pa-watch.h"
#include "host/uplink.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "smap.h"
#include "util.h"
#include "util/addr.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(pa_vlan);

#define MARK "hnv-pa-vlan"

/* The place of a PA with a VLAN that 'port' carries, or NULL. */
static const struct pa_place *
find_place(const struct ovsrec_port *port, const struct pa_place *places,
           size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (places[i].vlan && places[i].device[0]
            && uplink_port_has_device(port, places[i].device)) {
            return &places[i];
        }
    }
    return NULL;
}

/* True if 'port' waits for its device to come back, as when Open vSwitch
 * restarts: the PA that its mark names is wanted, and nowhere else. */
static bool
waits(const struct ovsrec_port *port, const struct pa_place *places, size_t n)
{
    const char *mark = smap_get(&port->external_ids, MARK);

    for (size_t i = 0; i < n; i++) {
        char buf[ADDR_STRLEN];

        if (places[i].vlan && !places[i].device[0]
            && !strcmp(addr_format(&places[i].addr, buf), mark)) {
            return true;
        }
    }
    return false;
}

static bool
is_tagged(const struct ovsrec_port *port, const struct pa_place *place)
{
    char buf[ADDR_STRLEN];
    const char *mark = smap_get(&port->external_ids, MARK);

    return port->n_tag == 1 && port->tag[0] == place->vlan
           && mark && !strcmp(mark, addr_format(&place->addr, buf));
}

static bool
is_right(const struct ovsrec_port *port, const struct pa_place *places,
         size_t n)
{
    const struct pa_place *place = find_place(port, places, n);

    if (place) {
        return is_tagged(port, place);
    }
    return (!smap_get(&port->external_ids, MARK)
            || waits(port, places, n));
}

bool
pa_vlans_are_right(struct ovsdb_idl *idl, const struct pa_place *places,
                   size_t n)
{
    const struct ovsrec_port *port;

    OVSREC_PORT_FOR_EACH (port, idl) {
        if (!is_right(port, places, n)) {
            return false;
        }
    }
    return true;
}

static void
put_right(const struct ovsrec_port *port, const struct pa_place *place)
{
    if (place) {
        int64_t tag = place->vlan;
        char buf[ADDR_STRLEN];

        addr_format(&place->addr, buf);
        VLOG_INFO("port %s: PA %s gets VLAN tag %u", port->name, buf,
                  place->vlan);
        ovsrec_port_set_tag(port, &tag, 1);
        ovsrec_port_update_external_ids_setkey(port, MARK, buf);
    } else {
        VLOG_INFO("port %s: its PA gets no VLAN tag any more", port->name);
        ovsrec_port_set_tag(port, NULL, 0);
        ovsrec_port_update_external_ids_delkey(port, MARK);
    }
}

void
pa_vlans_put_right(struct ovsdb_idl *idl, const struct pa_place *places,
                   size_t n)
{
    const struct ovsrec_port *port;

    OVSREC_PORT_FOR_EACH (port, idl) {
        if (!is_right(port, places, n)) {
            put_right(port, find_place(port, places, n));
        }
    }
}
