/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include "model/other-config.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

/* Logical_Switch.other_config:replication. */

static const char *const modes[] = {
    [RULES_PER_PA] = "per_pa",
    [RULES_PER_VM] = "per_vm",
    [RULES_MULTICAST] = "multicast",
};

/* A group that routers may pass on: 224.0.0.0/24 they never do (RFC 5771). */
static bool
parse_group(const char *text, struct in6_addr *ret_group)
{
    struct in6_addr group;

    if (!addr_parse(text, &group)) {
        return false;
    }
    if (addr_is_ipv4(&group)
        ? (!ip_is_multicast(addr_to_ipv4(&group))
           || ip_is_local_multicast(addr_to_ipv4(&group)))
        : !ipv6_addr_is_multicast(&group)) {
        return false;
    }
    *ret_group = group;
    return true;
}

/* Returns true if the group's address is there and can be used. */
static bool
resolve_group(const struct other_config *config, struct in6_addr *ret_group)
{
    const char *text = other_config_string(config, "group_pa");

    if (!text) {
        other_config_complain(config, "replication",
                              "possible without other_config:group_pa");
        return false;
    }
    if (!parse_group(text, ret_group)) {
        other_config_complain(config, "group_pa",
                              "an IPv4 or IPv6 multicast address outside "
                              "224.0.0.0/24");
        return false;
    }
    return true;
}

static void
resolve_mode(struct resolver *r, const struct stored_row *stored,
             struct rules_subnet *subnet)
{
    const struct other_config config = {
        .resolver = r, .row = stored, .table = "Logical_Switch",
        .map = &stored->row.logical_switch.other_config,
    };

    subnet->replication = other_config_word(&config, "replication", modes,
                                            ARRAY_SIZE(modes), RULES_PER_PA);
    if (subnet->replication != RULES_PER_PA && subnet->rewrite) {
        other_config_complain(&config, "replication",
                              "possible with IP rewrite, where nothing is "
                              "replicated to other hosts");
        subnet->replication = RULES_PER_PA;
    }
    if (subnet->replication == RULES_MULTICAST
        && !resolve_group(&config, &subnet->group_pa)) {
        subnet->replication = RULES_PER_PA;
    }
    if (subnet->replication == RULES_PER_VM && subnet->learning.enabled) {
        other_config_complain(&config, "replication",
                              "possible with other_config:learning, where no "
                              "list has all guests");
        subnet->replication = RULES_PER_PA;
    }
}

void
resolve_replication(struct resolver *r)
{
    const struct draft_subnet *draft;

    HMAP_FOR_EACH (draft, node, &r->drafts) {
        struct rules_subnet *subnet
            = resolver_find_subnet(r, &draft->row->row.uuid);

        if (subnet) {
            resolve_mode(r, draft->row, subnet);
        }
    }
}
