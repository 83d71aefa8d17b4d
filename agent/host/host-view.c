/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/host-view.h"
#include <stdlib.h>
#include <string.h>
#include "openvswitch/types.h"
#include "packets.h"
#include "util/addr.h"
#include "util.h"

struct host_view *
host_view_create(void)
{
    struct host_view *view = xzalloc(sizeof *view);

    view->vxlan = OFPP_NONE;
    view->nvgre = OFPP_NONE;
    view->rewrite = OFPP_NONE;
    return view;
}

static void
host_port_uninit__(struct host_port *port)
{
    free(port->iface_id);
    free(port->name);
    free(port->port_id);
    free(port->vm_name);
}

void
host_view_destroy(struct host_view *view)
{
    if (!view) {
        return;
    }
    for (size_t i = 0; i < view->n_ports; i++) {
        host_port_uninit__(&view->ports[i]);
    }
    for (size_t i = 0; i < view->n_pas; i++) {
        free(view->pas[i].device);
    }
    free(view->ports);
    free(view->pas);
    free(view);
}

struct host_view *
host_view_clone(const struct host_view *view)
{
    struct host_view *clone = host_view_create();

    clone->vxlan = view->vxlan;
    clone->nvgre = view->nvgre;
    clone->rewrite = view->rewrite;
    clone->userspace = view->userspace;
    clone->spaces = view->spaces;
    for (size_t i = 0; i < view->n_ports; i++) {
        const struct host_port *port = &view->ports[i];
        struct host_port *copy = host_view_add_port(clone);

        *copy = *port;
        copy->iface_id = xstrdup(port->iface_id);
        copy->name = xstrdup(port->name);
        copy->port_id = xstrdup(port->port_id);
        copy->vm_name = xstrdup(port->vm_name);
    }
    for (size_t i = 0; i < view->n_pas; i++) {
        struct host_pa *copy = host_view_add_pa(clone, &view->pas[i].addr);

        *copy = view->pas[i];
        copy->device = nullable_xstrdup(copy->device);
    }
    return clone;
}

struct host_port *
host_view_add_port(struct host_view *view)
{
    /* A power of two is when the array is full. */
    if (!(view->n_ports & (view->n_ports - 1))) {
        size_t allocated = view->n_ports ? 2 * view->n_ports : 1;

        view->ports = xrealloc(view->ports, allocated * sizeof *view->ports);
    }

    struct host_port *port = &view->ports[view->n_ports++];

    *port = (struct host_port) { .ofport = OFPP_NONE };
    return port;
}

/* PAs mostly come in order, so little is moved. */
struct host_pa *
host_view_add_pa(struct host_view *view, const struct in6_addr *addr)
{
    size_t i = view->n_pas++;

    view->pas = xrealloc(view->pas, view->n_pas * sizeof *view->pas);
    for (; i && addr_compare(&view->pas[i - 1].addr, addr) > 0; i--) {
        view->pas[i] = view->pas[i - 1];
    }
    view->pas[i] = (struct host_pa) { .addr = *addr };
    return &view->pas[i];
}

static int
host_pa_compare__(const void *addr, const void *pa_)
{
    const struct host_pa *pa = pa_;

    return addr_compare(addr, &pa->addr);
}

const struct host_pa *
host_view_find_pa(const struct host_view *view, const struct in6_addr *addr)
{
    return (view->n_pas
            ? bsearch(addr, view->pas, view->n_pas, sizeof *view->pas,
                      host_pa_compare__)
            : NULL);
}

static int
host_port_compare__(const void *a_, const void *b_)
{
    const struct host_port *a = a_;
    const struct host_port *b = b_;
    int cmp = strcmp(a->iface_id, b->iface_id);

    return cmp ? cmp : strcmp(a->name, b->name);
}

void
host_view_sort(struct host_view *view)
{
    if (view->n_ports) {
        qsort(view->ports, view->n_ports, sizeof *view->ports,
              host_port_compare__);
    }
}

static bool
host_port_equal__(const struct host_port *a, const struct host_port *b)
{
    return !strcmp(a->iface_id, b->iface_id)
           && !strcmp(a->name, b->name)
           && a->ofport == b->ofport
           && a->has_mac == b->has_mac
           && (!a->has_mac || eth_addr_equals(a->mac, b->mac))
           && a->mtu == b->mtu
           && !strcmp(a->port_id, b->port_id)
           && !strcmp(a->vm_name, b->vm_name);
}

static bool
host_pa_equal__(const struct host_pa *a, const struct host_pa *b)
{
    return ipv6_addr_equals(&a->addr, &b->addr)
           && nullable_string_is_equal(a->device, b->device)
           && a->up == b->up
           && a->vlan_ok == b->vlan_ok
           && a->mtu == b->mtu;
}

bool
host_view_equal(const struct host_view *a, const struct host_view *b)
{
    if (a->n_ports != b->n_ports || a->n_pas != b->n_pas
        || a->vxlan != b->vxlan || a->nvgre != b->nvgre
        || a->rewrite != b->rewrite || a->userspace != b->userspace
        || a->spaces != b->spaces) {
        return false;
    }
    for (size_t i = 0; i < a->n_pas; i++) {
        if (!host_pa_equal__(&a->pas[i], &b->pas[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < a->n_ports; i++) {
        if (!host_port_equal__(&a->ports[i], &b->ports[i])) {
            return false;
        }
    }
    return true;
}

const struct host_port *
host_view_find(const struct host_view *view, const char *iface_id,
               size_t *ret_n)
{
    size_t low = 0, high = view->n_ports;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(view->ports[mid].iface_id, iface_id) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }

    size_t n = 0;

    while (low + n < view->n_ports
           && !strcmp(view->ports[low + n].iface_id, iface_id)) {
        n++;
    }
    *ret_n = n;
    return n ? &view->ports[low] : NULL;
}
