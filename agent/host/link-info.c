/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/link-info.h"
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include "netlink.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* The VLAN that "link info" tells of, 0 if it is none of a VLAN device. */
static unsigned int
parse_vlan(const struct nlattr *info)
{
    static const struct nl_policy info_policy[] = {
        [IFLA_INFO_KIND] = { .type = NL_A_STRING },
        [IFLA_INFO_DATA] = { .type = NL_A_NESTED },
    };
    static const struct nl_policy data_policy[] = {
        [IFLA_VLAN_ID] = { .type = NL_A_U16 },
    };
    struct nlattr *attrs[ARRAY_SIZE(info_policy)];
    struct nlattr *data[ARRAY_SIZE(data_policy)];

    if (!nl_parse_nested(info, info_policy, attrs, ARRAY_SIZE(attrs))
        || strcmp(nl_attr_get_string(attrs[IFLA_INFO_KIND]), "vlan")
        || !nl_parse_nested(attrs[IFLA_INFO_DATA], data_policy, data,
                            ARRAY_SIZE(data))) {
        return 0;
    }
    return nl_attr_get_u16(data[IFLA_VLAN_ID]);
}

static bool
parse_link(struct ofpbuf *reply, struct link_info *info)
{
    static const struct nl_policy policy[] = {
        [IFLA_MTU] = { .type = NL_A_U32, .optional = true },
        [IFLA_MASTER] = { .type = NL_A_U32, .optional = true },
        [IFLA_LINKINFO] = { .type = NL_A_NESTED, .optional = true },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];

    if (!nl_policy_parse(reply, NLMSG_HDRLEN + sizeof(struct ifinfomsg),
                         policy, attrs, ARRAY_SIZE(policy))) {
        return false;
    }
    if (attrs[IFLA_MTU]) {
        info->mtu = nl_attr_get_u32(attrs[IFLA_MTU]);
    }
    if (attrs[IFLA_MASTER]) {
        info->master = nl_attr_get_u32(attrs[IFLA_MASTER]);
    }
    if (attrs[IFLA_LINKINFO]) {
        info->vlan = parse_vlan(attrs[IFLA_LINKINFO]);
    }
    return true;
}

bool
link_info_read(const char *device, struct link_info *ret_info)
{
    struct ifinfomsg ifi = { .ifi_index = if_nametoindex(device) };
    struct ofpbuf request, *reply;

    *ret_info = (struct link_info) { .mtu = 0 };
    if (!ifi.ifi_index) {
        return false;
    }
    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, sizeof ifi, RTM_GETLINK, NLM_F_REQUEST);
    ofpbuf_put(&request, &ifi, sizeof ifi);
    int error = nl_transact(NETLINK_ROUTE, &request, &reply);
    ofpbuf_uninit(&request);
    if (error) {
        return false;
    }
    bool ok = parse_link(reply, ret_info);
    ofpbuf_delete(reply);
    return ok;
}
