/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/rtnl.h"
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "netlink.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "sset.h"
#include "util.h"
#include "util/addr.h"

/* Marks what is ours: a routing protocol's number that nobody has claimed. */
#define PROTOCOL 104

/* Our routes, once more, for those who are to see no others. */
#define FENCE_TABLE 6874

/* Of its rules.  The kernel's own are 0, for addresses of the host, and from
 * 32766 on. */
#define FENCE_PRIORITY 10400

void
rtnl_addrs_add(struct rtnl_addrs *addrs, const struct rtnl_addr *addr)
{
    if (addrs->n >= addrs->allocated) {
        addrs->items = x2nrealloc(addrs->items, &addrs->allocated,
                                  sizeof *addrs->items);
    }
    addrs->items[addrs->n++] = *addr;
}

bool
rtnl_addrs_contain(const struct rtnl_addrs *addrs,
                   const struct rtnl_addr *addr)
{
    for (size_t i = 0; i < addrs->n; i++) {
        const struct rtnl_addr *a = &addrs->items[i];

        if (a->ifindex == addr->ifindex && addr_equal(&a->addr, &addr->addr)) {
            return true;
        }
    }
    return false;
}

void
rtnl_addrs_uninit(struct rtnl_addrs *addrs)
{
    free(addrs->items);
}

/* Messages. */

static int
family_of(const struct in6_addr *addr)
{
    return addr_is_ipv4(addr) ? AF_INET : AF_INET6;
}

static void
put_address(struct ofpbuf *msg, uint16_t type, const struct in6_addr *addr)
{
    if (addr_is_ipv4(addr)) {
        nl_msg_put_be32(msg, type, addr_to_ipv4(addr));
    } else {
        nl_msg_put_in6_addr(msg, type, addr);
    }
}

/* Reads an address, of whichever family fits its length. */
static bool
get_address(const struct nlattr *attr, struct in6_addr *ret_addr)
{
    size_t size = attr ? nl_attr_get_size(attr) : 0;

    if (size == sizeof(ovs_be32)) {
        *ret_addr = addr_from_ipv4(nl_attr_get_be32(attr));
        return true;
    } else if (size == sizeof *ret_addr) {
        *ret_addr = nl_attr_get_in6_addr(attr);
        return true;
    }
    return false;
}

/* Sends 'msg', which it frees.  'harmless' is an error that is none. */
static int
transact(struct ofpbuf *msg, int harmless)
{
    int error = nl_transact(NETLINK_ROUTE, msg, NULL);

    ofpbuf_delete(msg);
    return error == harmless ? 0 : error;
}

static struct ofpbuf *
new_message(uint16_t type, uint16_t flags, const void *header, size_t size)
{
    struct ofpbuf *msg = ofpbuf_new(256);

    nl_msg_put_nlmsghdr(msg, size, type, NLM_F_REQUEST | flags);
    ofpbuf_put(msg, header, size);
    return msg;
}

/* Fills '*ret_addr' from a dump's message, if it is of the kind wanted. */
typedef bool parse_func(struct ofpbuf *msg, struct rtnl_addr *ret_addr);

static int
dump(uint16_t type, const void *header, size_t size,
     void (*cb)(struct ofpbuf *msg, void *aux), void *aux)
{
    struct ofpbuf *request = new_message(type, 0, header, size);
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
    struct ofpbuf buf = OFPBUF_STUB_INITIALIZER(stub);
    struct ofpbuf reply;
    struct nl_dump nld;

    nl_dump_start(&nld, NETLINK_ROUTE, request);
    ofpbuf_delete(request);
    while (nl_dump_next(&nld, &reply, &buf)) {
        cb(&reply, aux);
    }
    ofpbuf_uninit(&buf);
    return nl_dump_done(&nld);
}

struct listing {
    parse_func *parse;
    struct rtnl_addrs *addrs;
};

static void
list_one(struct ofpbuf *msg, void *listing_)
{
    const struct listing *listing = listing_;
    struct rtnl_addr addr;

    if (listing->parse(msg, &addr)) {
        rtnl_addrs_add(listing->addrs, &addr);
    }
}

static int
list(uint16_t type, const void *header, size_t size, parse_func *parse,
     struct rtnl_addrs *addrs)
{
    struct listing listing = { parse, addrs };

    return dump(type, header, size, list_one, &listing);
}

/* The header of a dump's message, NULL if it is too short. */
static const void *
message_header(const struct ofpbuf *msg, size_t size)
{
    return msg->size >= NLMSG_HDRLEN + size ? nl_msg_nlmsghdr(msg) + 1 : NULL;
}

/* Links. */

int
rtnl_enable_link(unsigned int ifindex)
{
    const struct ifinfomsg header = {
        .ifi_index = ifindex,
        .ifi_flags = IFF_UP | IFF_NOARP,
        .ifi_change = IFF_UP | IFF_NOARP,
    };

    return transact(new_message(RTM_NEWLINK, NLM_F_ACK, &header,
                                sizeof header), 0);
}

/* Addresses. */

static bool
parse_address(struct ofpbuf *msg, struct rtnl_addr *ret_addr)
{
    static const struct nl_policy policy[] = {
        [IFA_ADDRESS] = { .type = NL_A_UNSPEC, .optional = true,
                          .min_len = 4, .max_len = 16 },
    };
    const struct ifaddrmsg *header = message_header(msg, sizeof *header);
    struct nlattr *attrs[ARRAY_SIZE(policy)];

    if (!header
        || !nl_policy_parse(msg, NLMSG_HDRLEN + sizeof *header, policy, attrs,
                            ARRAY_SIZE(policy))
        || !get_address(attrs[IFA_ADDRESS], &ret_addr->addr)) {
        return false;
    }
    ret_addr->plen = header->ifa_prefixlen;
    ret_addr->ifindex = header->ifa_index;
    return true;
}

int
rtnl_list_addresses(struct rtnl_addrs *addrs)
{
    const struct ifaddrmsg header = { .ifa_family = AF_UNSPEC };

    return list(RTM_GETADDR, &header, sizeof header, parse_address, addrs);
}

/* Routes. */

static bool
parse_route(struct ofpbuf *msg, struct rtnl_addr *ret_addr)
{
    static const struct nl_policy policy[] = {
        [RTA_DST] = { .type = NL_A_UNSPEC, .optional = true,
                      .min_len = 4, .max_len = 16 },
        [RTA_OIF] = { .type = NL_A_U32, .optional = true },
    };
    const struct rtmsg *header = message_header(msg, sizeof *header);
    struct nlattr *attrs[ARRAY_SIZE(policy)];

    if (!header || header->rtm_protocol != PROTOCOL
        || !nl_policy_parse(msg, NLMSG_HDRLEN + sizeof *header, policy, attrs,
                            ARRAY_SIZE(policy))
        || !attrs[RTA_OIF]
        || !get_address(attrs[RTA_DST], &ret_addr->addr)) {
        return false;
    }
    ret_addr->plen = header->rtm_dst_len;
    ret_addr->ifindex = nl_attr_get_u32(attrs[RTA_OIF]);
    return true;
}

int
rtnl_list_routes(struct rtnl_addrs *addrs)
{
    const struct rtmsg header = { .rtm_family = AF_UNSPEC };

    return list(RTM_GETROUTE, &header, sizeof header, parse_route, addrs);
}

static int
change_route(uint16_t type, uint16_t flags, uint32_t table,
             const struct rtnl_addr *addr, int harmless)
{
    bool ipv4 = addr_is_ipv4(&addr->addr);
    const struct rtmsg header = {
        .rtm_family = family_of(&addr->addr),
        .rtm_dst_len = ipv4 ? 32 : 128,
        .rtm_protocol = PROTOCOL,
        .rtm_scope = ipv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    struct ofpbuf *msg = new_message(type, NLM_F_ACK | flags, &header,
                                     sizeof header);

    put_address(msg, RTA_DST, &addr->addr);
    nl_msg_put_u32(msg, RTA_OIF, addr->ifindex);
    nl_msg_put_u32(msg, RTA_TABLE, table);
    return transact(msg, harmless);
}

/* A route that is there is not replaced: the switch, which hears of every
 * change, would read all routes anew. */
int
rtnl_add_route(const struct rtnl_addr *addr)
{
    const uint16_t flags = NLM_F_CREATE | NLM_F_EXCL;
    int error = change_route(RTM_NEWROUTE, flags, FENCE_TABLE, addr, EEXIST);

    return (error ? error
            : change_route(RTM_NEWROUTE, flags, RT_TABLE_MAIN, addr, EEXIST));
}

int
rtnl_remove_route(const struct rtnl_addr *addr)
{
    int error = change_route(RTM_DELROUTE, 0, RT_TABLE_MAIN, addr, ESRCH);

    return (error ? error
            : change_route(RTM_DELROUTE, 0, FENCE_TABLE, addr, ESRCH));
}

/* Fences: a rule for those routes, and one that nothing gets past. */

static void
list_fence(struct ofpbuf *msg, void *devices)
{
    static const struct nl_policy policy[] = {
        [FRA_IIFNAME] = { .type = NL_A_STRING, .optional = true },
        [FRA_PROTOCOL] = { .type = NL_A_U8, .optional = true },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];

    if (nl_policy_parse(msg, NLMSG_HDRLEN + sizeof(struct fib_rule_hdr),
                        policy, attrs, ARRAY_SIZE(policy))
        && attrs[FRA_IIFNAME] && attrs[FRA_PROTOCOL]
        && nl_attr_get_u8(attrs[FRA_PROTOCOL]) == PROTOCOL) {
        sset_add(devices, nl_attr_get_string(attrs[FRA_IIFNAME]));
    }
}

int
rtnl_list_fences(struct sset *devices)
{
    const struct fib_rule_hdr header = { .family = AF_INET };

    return dump(RTM_GETRULE, &header, sizeof header, list_fence, devices);
}

static int
change_rule(uint16_t type, uint16_t flags, const char *device, uint8_t action,
            uint32_t priority, int harmless)
{
    const struct fib_rule_hdr header = {
        .family = AF_INET, .action = action,
    };
    struct ofpbuf *msg = new_message(type, NLM_F_ACK | flags, &header,
                                     sizeof header);

    nl_msg_put_string(msg, FRA_IIFNAME, device);
    nl_msg_put_u32(msg, FRA_PRIORITY, priority);
    nl_msg_put_u8(msg, FRA_PROTOCOL, PROTOCOL);
    if (action == FR_ACT_TO_TBL) {
        nl_msg_put_u32(msg, FRA_TABLE, FENCE_TABLE);
    }
    return transact(msg, harmless);
}

static int
change_fence(uint16_t type, uint16_t flags, const char *device, int harmless)
{
    int error = change_rule(type, flags, device, FR_ACT_TO_TBL,
                            FENCE_PRIORITY, harmless);

    return (error ? error
            : change_rule(type, flags, device, FR_ACT_BLACKHOLE,
                          FENCE_PRIORITY + 1, harmless));
}

int
rtnl_add_fence(const char *device)
{
    return change_fence(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, device,
                        EEXIST);
}

int
rtnl_remove_fence(const char *device)
{
    return change_fence(RTM_DELRULE, 0, device, ENOENT);
}

/* Proxied neighbours. */

static bool
parse_proxy(struct ofpbuf *msg, struct rtnl_addr *ret_addr)
{
    static const struct nl_policy policy[] = {
        [NDA_DST] = { .type = NL_A_UNSPEC, .optional = true,
                      .min_len = 4, .max_len = 16 },
        [NDA_PROTOCOL] = { .type = NL_A_U8, .optional = true },
    };
    const struct ndmsg *header = message_header(msg, sizeof *header);
    struct nlattr *attrs[ARRAY_SIZE(policy)];

    if (!header || !(header->ndm_flags & NTF_PROXY)
        || !nl_policy_parse(msg, NLMSG_HDRLEN + sizeof *header, policy, attrs,
                            ARRAY_SIZE(policy))
        || !attrs[NDA_PROTOCOL]
        || nl_attr_get_u8(attrs[NDA_PROTOCOL]) != PROTOCOL
        || !get_address(attrs[NDA_DST], &ret_addr->addr)) {
        return false;
    }
    ret_addr->plen = addr_is_ipv4(&ret_addr->addr) ? 32 : 128;
    ret_addr->ifindex = header->ndm_ifindex;
    return true;
}

int
rtnl_list_proxies(struct rtnl_addrs *addrs)
{
    const struct ndmsg header = {
        .ndm_family = AF_UNSPEC, .ndm_flags = NTF_PROXY,
    };

    return list(RTM_GETNEIGH, &header, sizeof header, parse_proxy, addrs);
}

static int
change_proxy(uint16_t type, uint16_t flags, const struct rtnl_addr *addr,
             int harmless)
{
    const struct ndmsg header = {
        .ndm_family = family_of(&addr->addr),
        .ndm_ifindex = addr->ifindex,
        .ndm_state = NUD_PERMANENT,
        .ndm_flags = NTF_PROXY,
    };
    struct ofpbuf *msg = new_message(type, NLM_F_ACK | flags, &header,
                                     sizeof header);

    put_address(msg, NDA_DST, &addr->addr);
    nl_msg_put_u8(msg, NDA_PROTOCOL, PROTOCOL);
    return transact(msg, harmless);
}

int
rtnl_add_proxy(const struct rtnl_addr *addr)
{
    return change_proxy(RTM_NEWNEIGH, NLM_F_CREATE, addr, EEXIST);
}

int
rtnl_remove_proxy(const struct rtnl_addr *addr)
{
    return change_proxy(RTM_DELNEIGH, 0, addr, ENOENT);
}
