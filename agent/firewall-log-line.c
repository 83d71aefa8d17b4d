/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "firewall-log-line.h"
#include <inttypes.h>
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "util/addr.h"

static void
put_string(struct ds *s, const char *name, const char *value)
{
    ds_put_format(s, ",\"%s\":", name);
    json_string_escape(value, s);
}

static void
put_number(struct ds *s, const char *name, unsigned int value)
{
    ds_put_format(s, ",\"%s\":%u", name, value);
}

static void
put_addresses(struct ds *s, const struct flow *flow)
{
    bool ipv4 = flow->dl_type == htons(ETH_TYPE_IP);
    struct in6_addr src = (ipv4 ? in6_addr_mapped_ipv4(flow->nw_src)
                           : flow->ipv6_src);
    struct in6_addr dst = (ipv4 ? in6_addr_mapped_ipv4(flow->nw_dst)
                           : flow->ipv6_dst);
    char buf[ADDR_STRLEN];

    put_string(s, "src_ip", addr_format(&src, buf));
    put_string(s, "dst_ip", addr_format(&dst, buf));
}

static void
put_packet(struct ds *s, const struct flow *flow)
{
    if (!is_ip_any(flow)) {
        char type[16];

        snprintf(type, sizeof type, "0x%04"PRIx16, ntohs(flow->dl_type));
        put_string(s, "eth_type", type);
        return;
    }
    put_number(s, "protocol", flow->nw_proto);
    put_addresses(s, flow);
    if (flow->nw_frag & FLOW_NW_FRAG_LATER) {
        return;
    }
    if (is_icmpv4(flow, NULL) || is_icmpv6(flow, NULL)) {
        put_number(s, "icmp_type", ntohs(flow->tp_src));
        put_number(s, "icmp_code", ntohs(flow->tp_dst));
    } else if (flow->nw_proto == IPPROTO_TCP || flow->nw_proto == IPPROTO_UDP
               || flow->nw_proto == IPPROTO_SCTP) {
        put_number(s, "src_port", ntohs(flow->tp_src));
        put_number(s, "dst_port", ntohs(flow->tp_dst));
    }
}

void
firewall_log_line(const struct firewall_log_event *event, struct ds *s)
{
    struct dp_packet packet;
    struct flow flow;

    dp_packet_use_const(&packet, event->packet, event->size);
    flow_extract(&packet, &flow);

    ds_put_cstr(s, "{\"time\":\"");
    ds_put_strftime_msec(s, "%Y-%m-%dT%H:%M:%S.###Z", event->wall_ms, true);
    ds_put_char(s, '"');
    put_string(s, "port", event->port);
    put_string(s, "rule_id", event->rule_id);
    put_string(s, "direction",
               event->direction == FW_INBOUND ? "Inbound" : "Outbound");
    put_string(s, "verdict", event->allow ? "Allow" : "Block");
    put_packet(s, &flow);
    ds_put_char(s, '}');
}
