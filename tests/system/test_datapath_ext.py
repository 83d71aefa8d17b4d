# SPDX-License-Identifier: Apache-2.0

"""The datapath extension in a switch: from OpenFlow's text to the wire."""

import re
import time

import pytest
from scapy.all import ARP, GRE, IP, UDP, Dot1Q, Ether, IPv6, Raw

from hnv_bridge import (A, B, CA_A, CA_B, PA, PA_2, PA_MAC, PORTS, ROUTER,
                        VSID, add_flow, few_recirculated, fixture_session,
                        fixture_switch, inner_of, ip_packet, needs_tree,
                        outer_packets, vsid_of)
from hnv_switch import NVGRE, PUT_PORT, VXLAN, by_ca, by_mac, entry

pytestmark = needs_tree


@pytest.mark.parametrize("encap", [VXLAN, NVGRE])
def test_switch_encapsulates(switch, session, encap):
    session.put(by_mac(VSID, B, PA, encap))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,%s)" % PORTS)
    packet = ip_packet()
    switch.send("p1", packet)
    outer, = outer_packets(switch)
    assert (outer.dst, outer[IP].dst, outer[IP].src) == (PA_MAC, PA,
                                                         "192.0.2.1")
    assert vsid_of(outer) == VSID
    assert bytes(inner_of(outer)) == bytes(packet)


@pytest.mark.parametrize("encap", [VXLAN, NVGRE])
def test_route_rewrites_and_encapsulates(switch, session, encap):
    session.put(by_ca(VSID, CA_B, B, PA, encap))
    add_flow(switch, "in_port=1 actions=set_field:5001->reg3,"
             "hnv(route,vsid=reg3,mac=%s,%s)" % (ROUTER, PORTS))
    switch.send("p1", ip_packet(dst_mac=ROUTER))
    outer, = outer_packets(switch)
    inner = inner_of(outer)
    assert (inner.src, inner.dst, inner[IP].ttl) == (ROUTER, B, 63)
    assert vsid_of(outer) == VSID


def test_source_address_is_the_flows(switch, session):
    """The tunnel's port gets it, and does with it what it always does."""
    session.put(by_mac(VSID, B, PA))
    add_flow(switch, "in_port=1 actions=set_field:192.0.2.2->tun_src,"
             "hnv(switch,vsid=5001,%s)" % PORTS)
    switch.send("p1", ip_packet())
    flows = switch.wait_for(lambda: switch.appctl("dpctl/dump-flows"))
    assert "src=192.0.2.2)" in flows
    assert re.search(r"tunnel\(tun_id=0x1389,src=192.0.2.2,dst=%s"
                     % re.escape(PA), flows), flows


def test_arp_is_answered(switch, session):
    session.put(by_ca(VSID, CA_B, B, PA))
    add_flow(switch, "in_port=1,arp actions=hnv(arp,vsid=5001,table=3)")
    add_flow(switch, "table=3 actions=output:2")
    for asked in CA_B, "10.1.0.99":
        switch.send("p1", Ether(src=A, dst="ff:ff:ff:ff:ff:ff")
                    / ARP(hwsrc=A, psrc=CA_A, pdst=asked))
    answer, = switch.wait_for(lambda: switch.sent("p1"), "an answer")
    assert (answer[ARP].op, answer[ARP].hwsrc, answer[ARP].psrc,
            answer[ARP].hwdst, answer.dst) == (2, B, CA_B, A, A)
    left, = switch.wait_for(lambda: switch.sent("p2"), "the other question")
    assert (left[ARP].op, left[ARP].pdst) == (1, "10.1.0.99")


def test_the_rest_goes_to_its_table(switch, session):
    """Unknown as it was; local in the other table."""
    session.put(by_mac(VSID, B))
    add_flow(switch, "in_port=1 actions=set_field:7->reg5,"
             "hnv(switch,vsid=5001,table=3,local=4,%s)" % PORTS)
    add_flow(switch, "table=3,reg5=7 actions=output:2")
    add_flow(switch, "table=4,reg5=7,ip actions=set_field:8->ip_dscp,output:2")
    switch.send("p1", ip_packet())
    local, = switch.wait_for(lambda: switch.sent("p2"), "the local packet")
    assert local[IP].tos == 32
    unknown = ip_packet(dst_mac="00:15:5d:00:00:77")
    switch.send("p1", unknown)
    switch.wait_for(lambda: bytes(unknown) in map(bytes, switch.sent("p2")))


def test_an_encapsulation_without_a_port_is_left(switch, session):
    session.put(by_mac(VSID, B, PA, NVGRE))
    add_flow(switch, "in_port=1 "
             "actions=hnv(switch,vsid=5001,table=3,vxlan=10)")
    add_flow(switch, "table=3 actions=output:2")
    switch.send("p1", ip_packet())
    switch.wait_for(lambda: switch.sent("p2"), "the packet that is left")


@pytest.mark.parametrize("how, mac", [
    ("route,mac=" + ROUTER, ROUTER), ("switch", B)])
def test_what_is_too_long_is_left(switch, session, how, mac):
    """As it was, routed or not."""
    session.put(by_mac(VSID, B, PA), by_ca(VSID, CA_B, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(%s,vsid=5001,table=3,mtu=48,%s)"
             % (how, PORTS))
    add_flow(switch, "table=3 actions=output:2")
    switch.send("p1", ip_packet(dst_mac=mac))
    outer_packets(switch)
    longer = ip_packet(dst_mac=mac) / Raw(b"y")
    switch.send("p1", longer)
    left, = switch.wait_for(lambda: switch.sent("p2"), "the packet left")
    assert bytes(left) == bytes(longer)
    assert "too-long=1" in switch.appctl("hnv/space-show")


def test_what_is_no_ip_is_never_too_long(switch, session):
    session.put(by_mac(VSID, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,table=3,mtu=48,"
             "%s)" % PORTS)
    packet = Ether(src=A, dst=B, type=0x88b5) / Raw(b"x" * 1000)
    switch.send("p1", packet)
    assert bytes(inner_of(outer_packets(switch)[0])) == bytes(packet)


@pytest.mark.parametrize("length", [0, 255])
def test_ipv6_with_more_headers_is_left(switch, session, length):
    """Whether they end within the packet or not."""
    ca = "2001:db8:1::b"
    session.put(by_ca(VSID, ca, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(route,vsid=5001,mac=%s,table=3,%s)"
             % (ROUTER, PORTS))
    add_flow(switch, "table=3 actions=output:2")
    packet = (Ether(src=A, dst=ROUTER) / IPv6(src="2001:db8:1::a", dst=ca,
                                              nh=60)
              / Raw(bytes([17, length]) + bytes(14)))
    switch.send("p1", packet)
    left, = switch.wait_for(lambda: switch.sent("p2"), "the packet left")
    assert bytes(left) == bytes(packet)


def test_route_without_a_way_is_left_as_it_was(switch, session):
    session.put(by_ca(VSID, CA_B, B))
    add_flow(switch, "in_port=1 actions=hnv(route,vsid=5001,mac=%s,table=3,%s)"
             % (ROUTER, PORTS))
    add_flow(switch, "table=3 actions=output:2")
    packet = ip_packet(dst_mac=ROUTER)
    switch.send("p1", packet)
    left, = switch.wait_for(lambda: switch.sent("p2"), "the packet left")
    assert bytes(left) == bytes(packet)


def test_one_megaflow_for_all_destinations(switch, session):
    macs = ["00:15:5d:01:00:%02x" % i for i in range(50)]
    session.put(*[by_mac(VSID, mac, PA) for mac in macs])
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,%s)" % PORTS)
    for mac in macs:
        switch.send("p1", ip_packet(dst_mac=mac))
    assert {inner_of(p).dst for p in outer_packets(switch, 50)} == set(macs)
    flows = [line for line in switch.appctl("dpctl/dump-flows").splitlines()
             if "hnv(" in line or "recirc_id(0x" in line]
    first = [line for line in flows if "hnv(switch,vsid=5001" in line]
    assert len(first) == 1 and "packets:49" in first[0], flows
    # And one for the one other host.
    assert len([line for line in flows if "tnl_push" in line]) == 1, flows


def test_a_move_is_one_entry(switch, session):
    session.put(by_mac(VSID, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,%s)" % PORTS)
    switch.send("p1", ip_packet())
    outer_packets(switch)
    session.put(by_mac(VSID, B, PA_2))
    switch.send("p1", ip_packet())
    assert outer_packets(switch, 2)[1][IP].dst == PA_2


@pytest.mark.parametrize("encap", [VXLAN, NVGRE])
def test_the_short_way_into_a_tunnel(switch, session, encap):
    """Once its header is known, a packet is not recirculated, and all else is
    as it was on the long way."""
    session.put(by_mac(VSID, B, PA, encap))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,%s)" % PORTS)
    packets = [ip_packet(sport=1000 + i) for i in range(20)]
    since = time.monotonic()
    for i, packet in enumerate(packets):
        switch.send("p1", packet)
        outer_packets(switch, i + 1)
    assert few_recirculated(switch, since)
    outer = outer_packets(switch, 20)
    assert [bytes(inner_of(p)) for p in outer] == [bytes(p) for p in packets]
    for p in outer:
        assert vsid_of(p) == VSID
        assert IP(bytes(p[IP])[:20]).src == "192.0.2.1"
        assert (p.dst, p[IP].dst, p[IP].ttl, p[IP].flags) == (PA_MAC, PA, 64,
                                                              "DF")
        fresh = p.copy()
        del fresh[IP].chksum, fresh[IP].len
        assert bytes(fresh) == bytes(p)
    if encap == VXLAN:
        assert len({p[UDP].sport for p in outer}) > 5
    else:
        assert len({p[GRE].key & 0xff for p in outer}) > 5
    # Statistics count them all.
    flows = [line for line in switch.appctl("dpctl/dump-flows").splitlines()
             if "tnl_push" in line]
    assert len(flows) == 1 and "packets:19," in flows[0], flows


@pytest.mark.parametrize("encap", [VXLAN, NVGRE])
def test_ipv6_provider_addresses(switch, session, encap):
    """On the long way and on the short one."""
    pa6 = "2001:db8::7"
    switch.appctl("netdev-dummy/ip6addr", "br-phy", "2001:db8::1/64")
    switch.appctl("ovs/route/add", "2001:db8::/64", "br-phy")
    switch.appctl("tnl/arp/set", "br-phy", pa6, PA_MAC)
    session.put(by_mac(VSID, B, pa6, encap))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,%s)" % PORTS)
    packet = ip_packet()
    since = time.monotonic()
    for i in range(5):
        switch.send("p1", packet)
        outer_packets(switch, i + 1)
    assert few_recirculated(switch, since)
    for p in outer_packets(switch, 5):
        assert (p.dst, p[IPv6].src, p[IPv6].dst) == (PA_MAC, "2001:db8::1",
                                                     pa6)
        assert vsid_of(p) == VSID
        assert bytes(inner_of(p)) == bytes(packet)


@pytest.mark.parametrize("tos", [0, 1, 2, 3])
def test_ecn_and_entropy_on_both_ways(switch, session, tos):
    """They are the same in all packets of a connection, however long."""
    session.put(by_mac(VSID, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,%s)" % PORTS)
    for i in range(4):
        packet = ip_packet() / Raw(b"x" * i)
        packet[IP].tos = tos
        switch.send("p1", packet)
        outer_packets(switch, i + 1)
    assert len({(p[IP].tos, p[UDP].sport)
                for p in outer_packets(switch, 4)}) == 1


def test_a_neighbour_with_a_new_mac(switch, session):
    """What is remembered of a tunnel's header follows what Open vSwitch
    knows."""
    session.put(by_mac(VSID, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,%s)" % PORTS)
    for i in range(4):
        switch.send("p1", ip_packet())
        outer_packets(switch, i + 1)
    switch.appctl("tnl/arp/set", "br-phy", PA, "02:00:00:00:00:77")

    def new_mac_is_used():
        n = len(outer_packets(switch))
        switch.send("p1", ip_packet())
        return outer_packets(switch, n + 1)[-1].dst == "02:00:00:00:00:77"
    switch.wait_for(new_mac_is_used, "a packet to the new MAC")


def test_underlay_with_a_vlan_takes_the_long_way(switch, session):
    switch.ofctl("add-flow", switch.mgmt("br-phy"),
                 "priority=9,in_port=LOCAL,ip actions="
                 "push_vlan:0x8100,set_field:4103->vlan_vid,output:1")
    session.put(by_mac(VSID, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,%s)" % PORTS)
    for i in range(4):
        switch.send("p1", ip_packet())
        outer_packets(switch, i + 1)
    for p in outer_packets(switch, 4):
        assert p[Dot1Q].vlan == 7 and vsid_of(p) == VSID


def test_following_actions_see_the_packet_as_it_was(switch, session):
    session.put(by_ca(VSID, CA_B, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(route,vsid=5001,mac=%s,%s),"
             "output:2" % (ROUTER, PORTS))
    packet = ip_packet(dst_mac=ROUTER)
    switch.send("p1", packet)
    assert inner_of(outer_packets(switch)[0])[IP].ttl == 63
    copy, = switch.wait_for(lambda: switch.sent("p2"), "the copy")
    assert bytes(copy) == bytes(packet)


# What people see.

def test_space_lookup_and_show(switch, session):
    session.put(by_ca(VSID, CA_B, B, PA), by_mac(VSID, A))
    known = switch.appctl("hnv/space-lookup", "vsid=5001,ca=" + CA_B)
    assert "mac=%s,pa=%s,vxlan" % (B, PA) in known
    assert "local" in switch.appctl("hnv/space-lookup", "vsid=5001,mac=" + A)
    assert "is not known" in switch.appctl("hnv/space-lookup",
                                           "vsid=5002,ca=" + CA_B)
    with pytest.raises(RuntimeError):
        switch.appctl("hnv/space-lookup", "vsid=x")
    show = switch.appctl("hnv/space-show")
    assert "ca=1 mac=1" in show and "ca=" + CA_B in show


ACTIONS = [
    "hnv(admit,vsid=reg0,domain=77,source=5002,table=4,forwarded)",
    "hnv(admit,vsid=5001,domain=77,source=5002,table=4,refused=0)",
    "hnv(arp,vsid=5001,table=7,learning,router)",
    "hnv(arp,vsid=reg0,mac=00:15:5d:ff:ff:fe)",
    "hnv(route,vsid=reg3,mac=00:15:5d:ff:ff:fe,next_hop=10.1.0.1,table=3,"
    "local=4,vxlan=10,nvgre=11,mtu=1450)",
    "hnv(route,vsid=1,mac=00:15:5d:ff:ff:fe,next_hop=fd00::1,vxlan=10)",
    "hnv(switch,vsid=16777215,table=0,local=254)"]


@pytest.mark.parametrize("action", ACTIONS)
def test_action_round_trip(switch, action):
    add_flow(switch, "table=9,actions=%s,output:2" % action)
    flows = switch.ofctl("dump-flows", switch.mgmt("br-int"), "table=9")
    assert "actions=%s,output:2" % action in flows


@pytest.mark.parametrize("action", [
    "hnv", "hnv()", "hnv(fly,vsid=1)", "hnv(arp)", "hnv(arp,vsid=16777216)",
    "hnv(arp,vsid=reg16)", "hnv(arp,vsid=1,vxlan=10)", "hnv(route,vsid=1)",
    "hnv(switch,vsid=1,mac=00:15:5d:ff:ff:fe)", "hnv(switch,vsid=1,router)",
    "hnv(switch,vsid=1,next_hop=10.0.0.1)", "hnv(switch,vsid=1,table=255)",
    "hnv(arp,vsid=1,next_hop=10.0.0.1)", "hnv(switch,vsid=1,learning=3)",
    "hnv(output,vsid=1,vxlan=10)", "hnv(switch,vsid=1,mtu=65536)",
    "hnv(arp,vsid=1,mtu=1450)", "hnv(admit,vsid=1,vxlan=10)",
    "hnv(switch,vsid=1,domain=5)", "hnv(admit,vsid=1,router)",
    "hnv(switch,vsid=1,refused=5)", "hnv(admit,vsid=1,refused=255)"])
def test_senseless_action_is_refused(switch, action):
    with pytest.raises(RuntimeError, match="hnv"):
        add_flow(switch, "table=9,actions=" + action)


def trace(switch, flow):
    return switch.appctl("ofproto/trace", "br-int", "in_port=1," + flow)


def test_trace_explains_a_route(switch, session):
    session.put(by_ca(VSID, CA_B, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(route,vsid=5001,mac=%s,table=3,%s)"
             % (ROUTER, PORTS))
    add_flow(switch, "table=3 actions=drop")
    flow = "udp,dl_dst=%s,nw_src=%s,nw_ttl=%d,nw_dst=%s"
    said = trace(switch, flow % (ROUTER, CA_A, 64, CA_B))
    assert "ca=%s mac=%s,pa=%s,vxlan" % (CA_B, B, PA) in said, said
    assert re.search(r"tnl_push\(.*dst=%s" % re.escape(PA), said), said
    said = trace(switch, flow % (ROUTER, CA_A, 64, "10.1.0.99"))
    assert "ca=10.1.0.99 is not known" in said and "table 3" in said, said
    said = trace(switch, flow % (ROUTER, CA_A, 1, CA_B))
    assert "left as it is: ttl" in said and "table 3" in said, said
    assert "tnl_push" not in said, said


@pytest.mark.parametrize("args, asked, told", [
    ("", CA_B, "answered with " + B),
    ("mac=%s," % ROUTER, CA_B, "answered with " + ROUTER),
    ("", CA_A, "dropped: own"),
    ("learning,", "10.1.0.12", "left as it is: learned"),
    ("", "10.1.0.12", "answered with " + B),
    ("", "10.1.0.99", "left as it is: unknown-ca"),
])
def test_trace_explains_an_answer(switch, session, args, asked, told):
    session.put(by_ca(VSID, CA_B, B, PA), by_ca(VSID, CA_A, A),
                entry("ca", VSID, "10.1.0.12", B, PA, VXLAN, learned=1))
    session.space_mod(PUT_PORT, entry("mac", VSID, mac=A, cookie=1))
    add_flow(switch, "in_port=1 actions=hnv(arp,vsid=5001,%stable=3)" % args)
    add_flow(switch, "table=3 actions=drop")
    said = trace(switch, "arp,arp_op=1,dl_src=%s,arp_sha=%s,arp_spa=%s,"
                 "arp_tpa=%s" % (A, A, CA_A, asked))
    assert told in said, said
    assert ("table 3" in said) == ("left" in told), said


def test_trace_explains_nd(switch, session):
    ca = "2001:db8:1::b"
    session.put(by_ca(VSID, ca, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(arp,vsid=5001,table=3)")
    said = trace(switch, "icmp6,icmpv6_type=135,icmpv6_code=0,nw_ttl=255,"
                 "dl_src=%s,ipv6_src=2001:db8:1::a,ipv6_dst=ff02::1:ff00:b,"
                 "nd_target=%s,nd_sll=%s" % (A, ca, A))
    assert "answered with " + B in said, said
