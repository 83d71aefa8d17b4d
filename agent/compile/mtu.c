/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/mtu.h"
#include "compile/compile.h"
#include "host/host-view.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"
#include "util/diag.h"

/* GRE with a key: RFC 2784, RFC 2890. */
#define GRE_KEY_HEADER_LEN 8

unsigned int
mtu_overhead(enum space_encap encap, enum pa_family family)
{
    unsigned int ip = family == PA_IPV4 ? IP_HEADER_LEN : IPV6_HEADER_LEN;

    switch (encap) {
    case SPACE_VXLAN:
        return ip + UDP_HEADER_LEN + sizeof(struct vxlanhdr) + ETH_HEADER_LEN;
    case SPACE_NVGRE:
        return ip + GRE_KEY_HEADER_LEN + ETH_HEADER_LEN;
    case SPACE_LOCAL:
    case SPACE_BALANCED:
    case SPACE_REWRITE:
        break;
    }
    OVS_NOT_REACHED();
}

/* True if 'encap' over 'family' counts: it is in use; or nothing is, and it is
 * what will most likely be. */
static bool
counts(const struct rules *rules, enum space_encap encap,
       enum pa_family family)
{
    bool any = false;

    for (size_t i = 0; i < N_PA_FAMILIES; i++) {
        any |= rules->tunnels[i].vxlan || rules->tunnels[i].nvgre;
    }
    return (encap == SPACE_VXLAN
            ? rules->tunnels[family].vxlan || !any
            : rules->tunnels[family].nvgre);
}

static unsigned int
min_known(unsigned int a, unsigned int b)
{
    return !a ? b : !b ? a : MIN(a, b);
}

unsigned int
mtu_of_rewrite(const struct host_view *host)
{
    unsigned int guests = 0;
    unsigned int all = 0;

    for (size_t i = 0; i < host->n_pas; i++) {
        const struct host_pa *pa = &host->pas[i];

        all = min_known(all, pa->mtu);
        if (!pa->device) {
            guests = min_known(guests, pa->mtu);
        }
    }
    return guests ? guests : all;
}

/* What fits from 'addr', which may be NULL, into any tunnel in use; zero if it
 * is not known. */
static unsigned int
mtu_from(const struct rules *rules, const struct host_view *host,
         const struct in6_addr *addr)
{
    static const enum space_encap encaps[] = { SPACE_VXLAN, SPACE_NVGRE };
    const struct host_pa *pa = addr ? host_view_find_pa(host, addr) : NULL;
    unsigned int mtu = 0;

    for (size_t i = 0; pa && i < ARRAY_SIZE(encaps); i++) {
        enum pa_family family = pa_family(addr);
        unsigned int overhead = mtu_overhead(encaps[i], family);

        if (counts(rules, encaps[i], family) && pa->mtu > overhead) {
            mtu = min_known(mtu, pa->mtu - overhead);
        }
    }
    return mtu;
}

unsigned int
mtu_of_port(const struct rules *rules, const struct host_view *host,
            const struct bound_port *port)
{
    unsigned int mtu = port->rewrite ? mtu_of_rewrite(host) : 0;

    for (enum pa_family family = 0; family < N_PA_FAMILIES; family++) {
        mtu = min_known(mtu, mtu_from(rules, host, port->pas[family]));
    }
    return mtu;
}

unsigned int
mtu_of_tunnels(const struct rules *rules, const struct host_view *host)
{
    unsigned int mtu = 0;

    for (size_t i = 0; i < rules->n_pas; i++) {
        mtu = min_known(mtu, mtu_from(rules, host, &rules->pas[i]));
    }
    return mtu;
}

void
mtu_diagnose(const struct bound_port *port, struct diag_set *diags)
{
    if (port->mtu && port->iface->mtu > port->mtu) {
        diag_set_add(diags, DIAG_MTU_TOO_SMALL, &port->port->row,
                     "Physical_Port", "",
                     "Interface %s has MTU %u, but of the guest's packets "
                     "only those up to %u bytes fit through this host's "
                     "uplinks; give the guest a smaller MTU, or the uplinks "
                     "one that is larger by %u.", port->iface->name,
                     port->iface->mtu, port->mtu,
                     port->iface->mtu - port->mtu);
    }
}
