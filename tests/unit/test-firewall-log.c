/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "firewall-log-line.h"
#include <stdlib.h>
#include <string.h>
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-flow.h"
#include "packets.h"
#include "unit.h"

#define TIME_MS INT64_C(1767312000250)

/* Packets of a connection, as ovs-ofctl(8) would write them. */
static struct dp_packet *
packet_of(const char *text)
{
    struct dp_packet *packet = dp_packet_new(0);
    struct flow flow;
    char *error = parse_ofp_exact_flow(&flow, NULL, NULL, text, NULL);

    ck_assert_msg(!error, "%s: %s", text, error);
    flow_compose(packet, &flow, NULL, 0);
    return packet;
}

static void
assert_line(const char *rule_id, const char *text, const char *wanted)
{
    struct dp_packet *packet = packet_of(text);
    const struct firewall_log_event event = {
        .wall_ms = TIME_MS,
        .port = "5a0c",
        .rule_id = rule_id,
        .direction = FW_INBOUND,
        .allow = true,
        .packet = dp_packet_data(packet),
        .size = dp_packet_size(packet),
    };
    struct ds s = DS_EMPTY_INITIALIZER;
    struct json *json;

    firewall_log_line(&event, &s);
    json = json_from_string(ds_cstr(&s));
    ck_assert_msg(json->type == JSON_OBJECT, "%s", ds_cstr(&s));
    ck_assert_msg(strstr(ds_cstr(&s), wanted), "%s: no %s", ds_cstr(&s),
                  wanted);
    json_destroy(json);
    ds_destroy(&s);
    dp_packet_delete(packet);
}

#define ETH "dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,"

START_TEST(a_line_says_who_what_and_when)
{
    assert_line("web", "tcp,"ETH"nw_src=10.1.1.11,nw_dst=10.1.1.12,"
                "tp_src=40000,tp_dst=80",
                "{\"time\":\"2026-01-02T00:00:00.250Z\",\"port\":\"5a0c\","
                "\"rule_id\":\"web\",\"direction\":\"Inbound\","
                "\"verdict\":\"Allow\",\"protocol\":6,"
                "\"src_ip\":\"10.1.1.11\",\"dst_ip\":\"10.1.1.12\","
                "\"src_port\":40000,\"dst_port\":80}");
    assert_line("web", "udp6,"ETH"ipv6_src=2001:db8::1,ipv6_dst=2001:db8::2,"
                "udp_src=53,udp_dst=54",
                "\"protocol\":17,\"src_ip\":\"2001:db8::1\","
                "\"dst_ip\":\"2001:db8::2\",\"src_port\":53,\"dst_port\":54}");
}
END_TEST

START_TEST(what_has_no_ports_has_none_in_its_line)
{
    assert_line("x", "icmp,"ETH"nw_src=10.1.1.11,nw_dst=10.1.1.12,"
                "icmp_type=8,icmp_code=0",
                "\"dst_ip\":\"10.1.1.12\",\"icmp_type\":8,\"icmp_code\":0}");
    assert_line("x", "ip,"ETH"nw_proto=47,nw_src=10.1.1.11,nw_dst=10.1.1.12",
                "\"protocol\":47,\"src_ip\":\"10.1.1.11\","
                "\"dst_ip\":\"10.1.1.12\"}");
    assert_line("x", ETH"dl_type=0x88b5",
                "\"verdict\":\"Allow\",\"eth_type\":\"0x88b5\"}");
}
END_TEST

START_TEST(names_may_have_anything_in_them)
{
    assert_line("\"}\n\\", ETH"dl_type=0x88b5",
                "\"rule_id\":\"\\\"}\\n\\\\\",");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("firewall-log");
    TCase *tc = tcase_create("firewall-log");

    tcase_add_test(tc, a_line_says_who_what_and_when);
    tcase_add_test(tc, what_has_no_ports_has_none_in_its_line);
    tcase_add_test(tc, names_may_have_anything_in_them);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
