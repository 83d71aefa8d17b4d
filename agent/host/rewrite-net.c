/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/rewrite-net.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include "hash.h"
#include "host/announce.h"
#include "host/bridge.h"
#include "host/rtnl.h"
#include "host/sysctls.h"
#include "netlink-socket.h"
#include "openvswitch/hmap.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"
#include "util/addr.h"

VLOG_DEFINE_THIS_MODULE(rewrite_net);

/* How long to wait after something failed. */
#define RETRY_MS 1000

struct local_pa {
    struct hmap_node node;      /* In struct rewrite_net's 'pas'. */
    struct in6_addr pa;
    bool here;                  /* False: its route is to be removed. */
};

struct rewrite_net {
    struct hmap pas;            /* "struct local_pa"s. */
    struct nl_sock *events;     /* Links, addresses; NULL: none. */
    struct sysctls *sysctls;
    bool dirty;
    bool swept;                 /* What an earlier run left is gone. */
    long long int retry_ms;     /* Not before this time. */
};

static void listen_to_kernel(struct rewrite_net *);
static int renew(struct rewrite_net *);

struct rewrite_net *
rewrite_net_create(void)
{
    struct rewrite_net *net = xzalloc(sizeof *net);

    hmap_init(&net->pas);
    net->sysctls = sysctls_create();
    net->dirty = true;
    net->retry_ms = LLONG_MIN;
    listen_to_kernel(net);
    return net;
}

void
rewrite_net_destroy(struct rewrite_net *net)
{
    struct local_pa *local;

    if (!net) {
        return;
    }
    HMAP_FOR_EACH_POP (local, node, &net->pas) {
        free(local);
    }
    hmap_destroy(&net->pas);
    nl_sock_destroy(net->events);
    sysctls_destroy(net->sysctls);
    free(net);
}

static struct local_pa *
find_pa(const struct rewrite_net *net, const struct in6_addr *pa)
{
    struct local_pa *local;

    HMAP_FOR_EACH_WITH_HASH (local, node, hash_bytes(pa, sizeof *pa, 0),
                             &net->pas) {
        if (addr_equal(&local->pa, pa)) {
            return local;
        }
    }
    return NULL;
}

void
rewrite_net_set(struct rewrite_net *net, const struct in6_addr *pa, bool here)
{
    struct local_pa *local = find_pa(net, pa);

    if (!local) {
        if (!here) {
            return;
        }
        local = xzalloc(sizeof *local);
        local->pa = *pa;
        hmap_insert(&net->pas, &local->node, hash_bytes(pa, sizeof *pa, 0));
    }
    net->dirty |= local->here != here;
    local->here = here;
}

/* Events. */

static void
listen_to_kernel(struct rewrite_net *net)
{
    static const unsigned int groups[] = {
        RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
        RTNLGRP_IPV4_NETCONF,
    };
    int error = nl_sock_create(NETLINK_ROUTE, &net->events);

    for (size_t i = 0; !error && i < ARRAY_SIZE(groups); i++) {
        error = nl_sock_join_mcgroup(net->events, groups[i]);
    }
    if (error) {
        VLOG_WARN("cannot hear of changes of the host's devices (%s); IP "
                  "rewrite will not follow them", ovs_strerror(error));
        nl_sock_destroy(net->events);
        net->events = NULL;
    }
}

/* Whatever happened, everything is looked at.  If there was too much to tell
 * (ENOBUFS), something happened, too. */
static void
hear_kernel(struct rewrite_net *net)
{
    uint64_t stub[4096 / 8];
    struct ofpbuf buf = OFPBUF_STUB_INITIALIZER(stub);
    int error;

    do {
        error = net->events ? nl_sock_recv(net->events, &buf, NULL, false)
                            : EAGAIN;
        net->dirty |= !error || error == ENOBUFS;
    } while (!error || error == ENOBUFS);
    ofpbuf_uninit(&buf);
}

void
rewrite_net_run(struct rewrite_net *net)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    hear_kernel(net);
    if (!net->dirty || time_msec() < net->retry_ms) {
        return;
    }

    int error = renew(net);

    net->dirty = error != 0;
    if (error) {
        net->retry_ms = time_msec() + RETRY_MS;
        VLOG_WARN_RL(&rl, "cannot set up the host's network for IP rewrite "
                     "(%s); trying again", ovs_strerror(error));
    }
}

void
rewrite_net_wait(struct rewrite_net *net)
{
    if (net->events) {
        nl_sock_wait(net->events, POLLIN);
    }
    if (net->dirty) {
        poll_timer_wait_until(net->retry_ms);
    }
}

/* Routes. */

static struct rtnl_addr
host_route(const struct in6_addr *pa, unsigned int ifindex)
{
    return (struct rtnl_addr) { .addr = *pa, .ifindex = ifindex };
}

static int
renew_routes(struct rewrite_net *net, unsigned int ifindex)
{
    struct local_pa *local;
    int error = 0;

    HMAP_FOR_EACH_SAFE (local, node, &net->pas) {
        const struct rtnl_addr route = host_route(&local->pa, ifindex);

        if (local->here) {
            error = ifindex ? rtnl_add_route(&route) : 0;
        } else {
            error = ifindex ? rtnl_remove_route(&route) : 0;
            hmap_remove(&net->pas, &local->node);
            free(local);
        }
        if (error) {
            return error;
        }
    }
    return 0;
}

/* Removes the routes that an earlier run of the agent left and that are not
 * wanted now. */
static int
sweep_routes(struct rewrite_net *net)
{
    struct rtnl_addrs routes = RTNL_ADDRS_INITIALIZER;
    int error = rtnl_list_routes(&routes);

    for (size_t i = 0; !error && i < routes.n; i++) {
        const struct local_pa *local = find_pa(net, &routes.items[i].addr);

        if (!local || !local->here) {
            error = rtnl_remove_route(&routes.items[i]);
        }
    }
    rtnl_addrs_uninit(&routes);
    return error;
}

/* Answers on the uplinks. */

static bool
is_uplink_of(const struct rtnl_addr *address, unsigned int rewrite_ifindex,
             const struct in6_addr *pa)
{
    const struct addr_prefix net = {
        .addr = address->addr, .plen = address->plen,
    };

    return (address->ifindex != rewrite_ifindex
            && addr_is_ipv4(&net.addr) == addr_is_ipv4(pa)
            && !IN6_IS_ADDR_LINKLOCAL(&net.addr)
            && addr_prefix_contains(&net, pa));
}

/* The host would keep for itself what is sent to its own address. */
static void
complain_of_own_address(const struct in6_addr *pa)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    char buf[ADDR_STRLEN];

    VLOG_WARN_RL(&rl, "PA %s of a guest with IP rewrite is an address of this "
                 "host, too; the guest gets no packets from other hosts until "
                 "one of them has another", addr_format(pa, buf));
}

/* Finds which devices are to answer for which PAs. */
static int
find_proxies(const struct rewrite_net *net, unsigned int ifindex,
             struct rtnl_addrs *proxies)
{
    struct rtnl_addrs addresses = RTNL_ADDRS_INITIALIZER;
    int error = rtnl_list_addresses(&addresses);
    const struct local_pa *local;

    HMAP_FOR_EACH (local, node, &net->pas) {
        for (size_t i = 0; ifindex && !error && i < addresses.n; i++) {
            const struct rtnl_addr *a = &addresses.items[i];
            const struct rtnl_addr proxy = {
                .addr = local->pa, .ifindex = a->ifindex,
            };

            if (!local->here) {
                continue;
            }
            if (addr_equal(&a->addr, &local->pa)) {
                complain_of_own_address(&local->pa);
            } else if (is_uplink_of(a, ifindex, &local->pa)
                       && !rtnl_addrs_contain(proxies, &proxy)) {
                rtnl_addrs_add(proxies, &proxy);
            }
        }
    }
    rtnl_addrs_uninit(&addresses);
    return error;
}

static int
add_proxy(const struct rtnl_addr *proxy)
{
    int error = rtnl_add_proxy(proxy);

    if (!error) {
        announce_address(&proxy->addr, proxy->ifindex);
    }
    return error;
}

static int
renew_proxies(const struct rtnl_addrs *wanted)
{
    struct rtnl_addrs present = RTNL_ADDRS_INITIALIZER;
    int error = rtnl_list_proxies(&present);

    for (size_t i = 0; !error && i < present.n; i++) {
        if (!rtnl_addrs_contain(wanted, &present.items[i])) {
            error = rtnl_remove_proxy(&present.items[i]);
        }
    }
    for (size_t i = 0; !error && i < wanted->n; i++) {
        if (!rtnl_addrs_contain(&present, &wanted->items[i])) {
            error = add_proxy(&wanted->items[i]);
        }
    }
    rtnl_addrs_uninit(&present);
    return error;
}

/* Fences around the uplinks.  A device with "forwarding" on would take its
 * network's packets anywhere else that the host has a route to, if the host is
 * no router otherwise.  A fence also tells a later run of the agent that
 * "forwarding" was not on before. */

struct uplinks {
    struct rtnl_addrs proxies;  /* Wanted. */
    bool host_forwards;         /* Anyway, so no fences. */
    struct sset fences;         /* Wanted, by device. */
    struct sset old_fences;     /* That are there. */
};

static void
uplinks_init(struct uplinks *uplinks)
{
    *uplinks = (struct uplinks) { .proxies = RTNL_ADDRS_INITIALIZER };
    uplinks->host_forwards = sysctls_host_forwards();
    sset_init(&uplinks->fences);
    sset_init(&uplinks->old_fences);
}

static void
uplinks_uninit(struct uplinks *uplinks)
{
    rtnl_addrs_uninit(&uplinks->proxies);
    sset_destroy(&uplinks->fences);
    sset_destroy(&uplinks->old_fences);
}

static int
find_fences(struct uplinks *uplinks)
{
    for (size_t i = 0; i < uplinks->proxies.n; i++) {
        const struct rtnl_addr *proxy = &uplinks->proxies.items[i];
        char name[IF_NAMESIZE];

        if (addr_is_ipv4(&proxy->addr) && !uplinks->host_forwards
            && if_indextoname(proxy->ifindex, name)) {
            sset_add(&uplinks->fences, name);
        }
    }
    return rtnl_list_fences(&uplinks->old_fences);
}

static int
add_fences(const struct uplinks *uplinks)
{
    const char *name;
    int error = 0;

    SSET_FOR_EACH (name, &uplinks->fences) {
        if (!error && !sset_contains(&uplinks->old_fences, name)) {
            error = rtnl_add_fence(name);
        }
    }
    return error;
}

static int
remove_fences(const struct uplinks *uplinks)
{
    const char *name;
    int error = 0;

    SSET_FOR_EACH (name, &uplinks->old_fences) {
        if (!error && !sset_contains(&uplinks->fences, name)) {
            error = rtnl_remove_fence(name);
        }
    }
    return error;
}

/* Settings of devices. */

static void
want_uplink_settings(struct sysctls *sysctls, const struct rtnl_addr *proxy)
{
    char name[IF_NAMESIZE];

    if (!if_indextoname(proxy->ifindex, name)) {
        return;
    }
    if (addr_is_ipv4(&proxy->addr)) {
        sysctls_want(sysctls, "ipv4/conf", name, "forwarding", "1");
        sysctls_want(sysctls, "ipv4/neigh", name, "proxy_delay", "0");
    } else {
        sysctls_want(sysctls, "ipv6/conf", name, "proxy_ndp", "1");
        sysctls_want(sysctls, "ipv6/neigh", name, "proxy_delay", "0");
    }
}

static bool
has_ipv6(const struct rewrite_net *net)
{
    const struct local_pa *local;

    HMAP_FOR_EACH (local, node, &net->pas) {
        if (local->here && !addr_is_ipv4(&local->pa)) {
            return true;
        }
    }
    return false;
}

/* What was fenced did not forward before.  Once the host forwards anyway, that
 * is not ours to undo. */
static void
recall_forwarding(struct rewrite_net *net, const struct uplinks *uplinks)
{
    const char *name;

    SSET_FOR_EACH (name, &uplinks->old_fences) {
        sysctls_adopt(net->sysctls, "ipv4/conf", name, "forwarding", "1",
                      uplinks->host_forwards ? NULL : "0");
    }
}

static void
renew_settings(struct rewrite_net *net, bool with_device,
               const struct uplinks *uplinks)
{
    recall_forwarding(net, uplinks);
    sysctls_start(net->sysctls);
    if (with_device) {
        sysctls_want(net->sysctls, "ipv4/conf", BRIDGE_REWRITE_PORT,
                     "forwarding", "1");
    }
    if (with_device && has_ipv6(net)) {
        sysctls_want(net->sysctls, "ipv6/conf", BRIDGE_REWRITE_PORT,
                     "disable_ipv6", "0");
    }
    for (size_t i = 0; i < uplinks->proxies.n; i++) {
        want_uplink_settings(net->sysctls, &uplinks->proxies.items[i]);
    }
    sysctls_finish(net->sysctls);
}

/* Devices forward only within their fences, and answer only for what they
 * forward: hence the order. */
static int
renew_all(struct rewrite_net *net, unsigned int ifindex,
          struct uplinks *uplinks)
{
    int error = find_proxies(net, ifindex, &uplinks->proxies);

    if (!error) {
        error = find_fences(uplinks);
    }
    if (!error) {
        error = add_fences(uplinks);
    }
    if (!error) {
        renew_settings(net, ifindex != 0, uplinks);
        error = ifindex ? rtnl_enable_link(ifindex) : 0;
    }
    if (!error) {
        error = renew_routes(net, ifindex);
    }
    if (!error) {
        error = remove_fences(uplinks);
    }
    return error ? error : renew_proxies(&uplinks->proxies);
}

/* Without the device there is nowhere to send packets, so nothing is asked of
 * the others, either. */
static int
renew(struct rewrite_net *net)
{
    unsigned int ifindex = (hmap_is_empty(&net->pas) ? 0
                            : if_nametoindex(BRIDGE_REWRITE_PORT));
    struct uplinks uplinks;
    int error = net->swept ? 0 : sweep_routes(net);

    if (!error) {
        net->swept = true;
        uplinks_init(&uplinks);
        error = renew_all(net, ifindex, &uplinks);
        uplinks_uninit(&uplinks);
    }
    return error;
}
