/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_RTNL_H
#define HOST_RTNL_H 1

/* The kernel's links, addresses, routes, rules and proxied neighbours
 * (rtnetlink), as far as IP rewrite takes them.  Functions return 0 or a
 * positive errno.
 *
 * What is added here is marked, and only what is so marked is listed as ours.
 *
 * Threads: one. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An address on a link: its own, with the length of its prefix, or one that is
 * routed to it or that is answered for there. */
struct rtnl_addr {
    struct in6_addr addr;
    unsigned int plen;          /* Within its family. */
    unsigned int ifindex;
};

struct rtnl_addrs {
    struct rtnl_addr *items;
    size_t n;
    size_t allocated;
};

struct sset;

#define RTNL_ADDRS_INITIALIZER { NULL, 0, 0 }

void rtnl_addrs_add(struct rtnl_addrs *, const struct rtnl_addr *);
bool rtnl_addrs_contain(const struct rtnl_addrs *, const struct rtnl_addr *);
void rtnl_addrs_uninit(struct rtnl_addrs *);

/* Switches the link on, and its ARP and ND off. */
int rtnl_enable_link(unsigned int ifindex);

/* List the addresses of links; our routes; our proxied neighbours. */
int rtnl_list_addresses(struct rtnl_addrs *);
int rtnl_list_routes(struct rtnl_addrs *);
int rtnl_list_proxies(struct rtnl_addrs *);

/* Adds a route to one address through a link; the link answers ARP or ND for
 * an address of somebody else; and the end of it.  It is no error if the thing
 * is there, or is not there, already. */
int rtnl_add_route(const struct rtnl_addr *);
int rtnl_remove_route(const struct rtnl_addr *);
int rtnl_add_proxy(const struct rtnl_addr *);
int rtnl_remove_proxy(const struct rtnl_addr *);

/* A fence around a device: what comes in by it and is not for the host itself
 * may take the routes to single addresses that were added here, and is dropped
 * if there is none, whatever other routes the host has.  For IPv4. */
int rtnl_list_fences(struct sset *devices);
int rtnl_add_fence(const char *device);
int rtnl_remove_fence(const char *device);

#endif /* host/rtnl.h */
