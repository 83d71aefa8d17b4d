/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/groups.h"
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"
#include "util/addr.h"

VLOG_DEFINE_THIS_MODULE(groups);

/* How often memberships are asked for again. */
#define INTERVAL_MS 5000

/* A group on the interface of a PA.  Each has a socket of its own: Linux
 * allows a socket 20 memberships by default. */
struct membership {
    struct in6_addr group;
    struct in6_addr pa;
    int fd;                     /* Negative if there is no socket. */
    int error;                  /* Why it is not there, as last logged. */
};

struct groups {
    struct membership *items;
    size_t n;
    long long int next_ms;      /* When to ask again. */
};

struct groups *
groups_create(void)
{
    return xzalloc(sizeof(struct groups));
}

static void
leave(struct membership *membership)
{
    if (membership->fd >= 0) {
        close(membership->fd);
    }
}

static void
leave_all(struct groups *groups)
{
    for (size_t i = 0; i < groups->n; i++) {
        leave(&groups->items[i]);
    }
    free(groups->items);
    groups->items = NULL;
    groups->n = 0;
}

void
groups_destroy(struct groups *groups)
{
    if (groups) {
        leave_all(groups);
        free(groups);
    }
}

/* Returns the number of the interface that has IPv6 address 'pa', or 0. */
static unsigned int
find_interface(const struct in6_addr *pa)
{
    struct ifaddrs *all;
    unsigned int found = 0;

    if (getifaddrs(&all)) {
        return 0;
    }
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        const struct sockaddr_in6 *sin6
            = ALIGNED_CAST(const struct sockaddr_in6 *, i->ifa_addr);

        if (sin6 && sin6->sin6_family == AF_INET6
            && addr_equal(&sin6->sin6_addr, pa)) {
            found = if_nametoindex(i->ifa_name);
        }
    }
    freeifaddrs(all);
    return found;
}

static int
ask(const struct membership *membership)
{
    int error;

    if (addr_is_ipv4(&membership->group)) {
        struct ip_mreqn request = {
            .imr_multiaddr.s_addr = addr_to_ipv4(&membership->group),
            .imr_address.s_addr = addr_to_ipv4(&membership->pa),
        };

        error = setsockopt(membership->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP,
                           &request, sizeof request) ? errno : 0;
    } else {
        struct ipv6_mreq request = {
            .ipv6mr_multiaddr = membership->group,
            .ipv6mr_interface = find_interface(&membership->pa),
        };

        error = (!request.ipv6mr_interface ? ENODEV
                 : setsockopt(membership->fd, IPPROTO_IPV6,
                              IPV6_ADD_MEMBERSHIP, &request, sizeof request)
                 ? errno : 0);
    }
    return error == EADDRINUSE ? 0 : error;     /* A member already. */
}

static void
join(struct membership *membership)
{
    int family = addr_is_ipv4(&membership->group) ? AF_INET : AF_INET6;
    int error;

    if (membership->fd < 0) {
        membership->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    }
    error = membership->fd < 0 ? errno : ask(membership);
    if (error && error != membership->error) {
        char group[ADDR_STRLEN], pa[ADDR_STRLEN];

        VLOG_WARN("cannot join group %s on the interface of %s (%s); trying "
                  "again", addr_format(&membership->group, group),
                  addr_format(&membership->pa, pa), ovs_strerror(error));
    }
    membership->error = error;
}

/* Takes the membership over from 'groups', or makes one. */
static struct membership
take_membership(struct groups *groups, const struct in6_addr *group,
                const struct in6_addr *pa)
{
    for (size_t i = 0; i < groups->n; i++) {
        struct membership *old = &groups->items[i];

        if (addr_equal(&old->group, group) && addr_equal(&old->pa, pa)) {
            struct membership taken = *old;

            old->fd = -1;
            return taken;
        }
    }
    return (struct membership) { .group = *group, .pa = *pa, .fd = -1 };
}

void
groups_set(struct groups *groups, const struct in6_addr *wanted,
           size_t n_wanted, const struct in6_addr *pas, size_t n_pas)
{
    struct membership *items = xcalloc(MAX(n_wanted * n_pas, 1),
                                       sizeof *items);
    size_t n = 0;

    for (size_t i = 0; i < n_wanted; i++) {
        for (size_t j = 0; j < n_pas; j++) {
            if (addr_is_ipv4(&wanted[i]) == addr_is_ipv4(&pas[j])) {
                items[n++] = take_membership(groups, &wanted[i], &pas[j]);
            }
        }
    }
    leave_all(groups);
    groups->items = items;
    groups->n = n;
    groups->next_ms = 0;
}

void
groups_run(struct groups *groups)
{
    if (groups->n && time_msec() >= groups->next_ms) {
        for (size_t i = 0; i < groups->n; i++) {
            join(&groups->items[i]);
        }
        groups->next_ms = time_msec() + INTERVAL_MS;
    }
}

void
groups_wait(struct groups *groups)
{
    if (groups->n) {
        poll_timer_wait_until(groups->next_ms);
    }
}
