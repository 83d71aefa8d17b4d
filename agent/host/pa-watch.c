/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/pa-watch.h"
#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "host/host-view.h"
#include "host/link-info.h"
#include "host/uplink.h"
#include "netlink-notifier.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "util/addr.h"

VLOG_DEFINE_THIS_MODULE(pa_watch);

/* Links of guests come and go in bursts, each with several notifications.
 * All addresses are read at most once in so long. */
#define READ_INTERVAL_MS 50

/* What the kernel shall tell of.  (Open vSwitch's notifiers of interfaces tell
 * of links, not of addresses.) */
static const int groups[] = {
    RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
};
#define N_GROUPS ARRAY_SIZE(groups)

struct pa_watch {
    struct pa_place *pas;       /* NULL until they are known. */
    size_t n;
    char *vrf;                  /* Or NULL. */
    struct nln *nln;
    struct nln_notifier *notifiers[N_GROUPS];
    bool stale;                 /* The kernel has something new to say. */
    long long int next_read_ms;
};

/* It does not matter what a notification says: all is read anew.  Nor to
 * which notifier it goes: all do the same. */
static int
parse_nothing(struct ofpbuf *buf OVS_UNUSED, void *change OVS_UNUSED)
{
    return groups[0];
}

static void
notice_change(const void *change OVS_UNUSED, void *watch_)
{
    struct pa_watch *watch = watch_;
    watch->stale = true;
}

struct pa_watch *
pa_watch_create(void)
{
    struct pa_watch *watch = xzalloc(sizeof *watch);

    watch->nln = nln_create(NETLINK_ROUTE, parse_nothing, NULL);
    for (size_t i = 0; i < N_GROUPS; i++) {
        watch->notifiers[i] = nln_notifier_create(watch->nln, groups[i],
                                                  notice_change, watch);
    }
    watch->next_read_ms = LLONG_MIN;
    return watch;
}

void
pa_watch_destroy(struct pa_watch *watch)
{
    if (watch) {
        for (size_t i = 0; i < N_GROUPS; i++) {
            nln_notifier_destroy(watch->notifiers[i]);
        }
        nln_destroy(watch->nln);
        free(watch->pas);
        free(watch->vrf);
        free(watch);
    }
}

/* Reading the kernel. */

static bool
sockaddr_to_addr(const struct sockaddr *sa, struct in6_addr *ret_addr)
{
    if (!sa) {
        return false;
    }
    switch (sa->sa_family) {
    case AF_INET: {
        struct sockaddr_in sin;

        memcpy(&sin, sa, sizeof sin);
        *ret_addr = addr_from_ipv4(sin.sin_addr.s_addr);
        return true;
    }
    case AF_INET6: {
        struct sockaddr_in6 sin6;

        memcpy(&sin6, sa, sizeof sin6);
        *ret_addr = sin6.sin6_addr;
        return true;
    }
    default:
        return false;
    }
}

static bool
is_in_vrf(const struct link_info *info, const char *vrf)
{
    return !vrf || (info->master && info->master == if_nametoindex(vrf));
}

/* True if 'addr' is in the network of 'ifa', which has an address there. */
static bool
ifaddr_contains(const struct ifaddrs *ifa, const struct in6_addr *addr)
{
    struct in6_addr own, mask;

    if (!sockaddr_to_addr(ifa->ifa_addr, &own)
        || !sockaddr_to_addr(ifa->ifa_netmask, &mask)
        || addr_is_ipv4(&own) != addr_is_ipv4(addr)
        || IN6_IS_ADDR_LINKLOCAL(&own)) {
        return false;
    }
    for (size_t i = addr_is_ipv4(addr) ? 12 : 0; i < 16; i++) {
        if ((own.s6_addr[i] ^ addr->s6_addr[i]) & mask.s6_addr[i]) {
            return false;
        }
    }
    return true;
}

/* The address of a guest that has IP rewrite is no device's; its packets come
 * and go by a device that has a neighbour of it. */
static void
find_way(struct pa_place *pa, const struct ifaddrs *all, const char *vrf)
{
    for (const struct ifaddrs *ifa = all; ifa; ifa = ifa->ifa_next) {
        struct link_info info;

        if (ifaddr_contains(ifa, &pa->addr)
            && link_info_read(ifa->ifa_name, &info)
            && is_in_vrf(&info, vrf)) {
            ovs_strlcpy(pa->via, ifa->ifa_name, sizeof pa->via);
            pa->mtu = info.mtu;
            return;
        }
    }
}

/* An address may be on several devices, in as many VRFs or for failover: of
 * those in the right VRF one that works counts. */
static void
find_device(struct pa_place *pa, const struct ifaddrs *all, const char *vrf)
{
    const unsigned int running = IFF_UP | IFF_RUNNING;

    *pa = (struct pa_place) { .addr = pa->addr, .vlan = pa->vlan };
    for (const struct ifaddrs *ifa = all; ifa; ifa = ifa->ifa_next) {
        struct in6_addr addr;
        struct link_info info;

        if (pa->running || !sockaddr_to_addr(ifa->ifa_addr, &addr)
            || !addr_equal(&addr, &pa->addr)
            || !link_info_read(ifa->ifa_name, &info)
            || !is_in_vrf(&info, vrf)) {
            continue;
        }
        ovs_strlcpy(pa->device, ifa->ifa_name, sizeof pa->device);
        pa->running = (ifa->ifa_flags & running) == running;
        pa->mtu = info.mtu;
        pa->device_vlan = info.vlan;
    }
}

/* Returns true if there is news. */
static bool
read_devices(struct pa_watch *watch)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct ifaddrs *all;
    bool changed = false;

    if (!watch->n) {
        return false;
    }
    if (getifaddrs(&all)) {
        VLOG_WARN_RL(&rl, "cannot read this host's addresses (%s); provider "
                     "addresses are taken to be where they were",
                     ovs_strerror(errno));
        return false;
    }
    for (size_t i = 0; i < watch->n; i++) {
        struct pa_place *pa = &watch->pas[i];
        const struct pa_place old = *pa;

        find_device(pa, all, watch->vrf);
        if (!pa->device[0]) {
            find_way(pa, all, watch->vrf);
        }
        changed = changed || (strcmp(old.device, pa->device)
                              || strcmp(old.via, pa->via)
                              || old.running != pa->running
                              || old.mtu != pa->mtu
                              || old.device_vlan != pa->device_vlan);
    }
    freeifaddrs(all);
    return changed;
}

/* Following it. */

bool
pa_watch_set(struct pa_watch *watch, const struct pa_place *pas, size_t n,
             const char *vrf)
{
    bool same = (watch->pas && n == watch->n
                 && nullable_string_is_equal(vrf, watch->vrf));

    for (size_t i = 0; same && i < n; i++) {
        same = (addr_equal(&pas[i].addr, &watch->pas[i].addr)
                && pas[i].vlan == watch->pas[i].vlan);
    }
    if (same) {
        return false;
    }
    free(watch->pas);
    free(watch->vrf);
    watch->pas = xcalloc(MAX(n, 1), sizeof *watch->pas);
    watch->n = n;
    watch->vrf = nullable_xstrdup(vrf);
    for (size_t i = 0; i < n; i++) {
        watch->pas[i].addr = pas[i].addr;
        watch->pas[i].vlan = pas[i].vlan;
    }
    read_devices(watch);
    return true;
}

const struct pa_place *
pa_watch_places(const struct pa_watch *watch, size_t *ret_n)
{
    *ret_n = watch->n;
    return watch->pas;
}

bool
pa_watch_run(struct pa_watch *watch)
{
    nln_run(watch->nln);
    if (!watch->stale || time_msec() < watch->next_read_ms) {
        return false;
    }
    watch->stale = false;
    watch->next_read_ms = time_msec() + READ_INTERVAL_MS;
    return read_devices(watch);
}

void
pa_watch_wait(struct pa_watch *watch)
{
    nln_wait(watch->nln);
    if (watch->stale) {
        poll_timer_wait_until(watch->next_read_ms);
    }
}

void
pa_watch_fill(const struct pa_watch *watch, struct ovsdb_idl *idl,
              struct host_view *view)
{
    for (size_t i = 0; i < watch->n; i++) {
        const struct pa_place *watched = &watch->pas[i];
        bool present = watched->device[0] != '\0';
        const char *device = present ? watched->device : watched->via;
        struct host_pa *pa = host_view_add_pa(view, &watched->addr);
        struct uplink uplink;

        if (!device[0]) {
            continue;
        }
        pa->mtu = watched->mtu;
        if (present) {
            pa->device = xstrdup(device);
            pa->up = watched->running;
            pa->vlan_ok = (!watched->vlan
                           || watched->device_vlan == watched->vlan
                           || uplink_is_internal(idl, device));
        }
        if (uplink_find(idl, device, &uplink)) {
            pa->up = pa->up && uplink.up;
            pa->mtu = (!uplink.mtu ? pa->mtu
                       : !pa->mtu ? uplink.mtu : MIN(pa->mtu, uplink.mtu));
        }
    }
}
