# SPDX-License-Identifier: Apache-2.0

"""The action that asks the spaces, and flows that go on with the answer."""

import re

import pytest
from scapy.all import (ARP, IP, UDP, Ether, ICMPv6ND_NS, IPv6, Raw)

from hnv_bridge import (A, B, CA_A, CA_B, PA, PA_2, PA_MAC, PORTS, ROUTER,
                        VSID, add_flow, arrive, fixture_session,
                        fixture_switch, inner_of, ip_packet, needs_tree,
                        outer_packets, vsid_of)
from hnv_switch import BALANCED, DELETE, NVGRE, by_ca, by_mac, entry

pytestmark = needs_tree

CA6_A, CA6_B, PA6 = "fd00::10", "fd00::11", "2001:db8::7"

# What is in registers before, to see what stays there.
BEFORE = {"reg2": 0xa2, "reg3": 0xa3, "reg4": 0xa4, "xreg4": 0xa8,
          "reg12": 0xac, "reg13": 0xad, "reg14": 0xae, "reg15": 0xaf}


def load(registers):
    return "".join("set_field:%#x->%s," % (value, name)
                   for name, value in registers.items())


def match(registers):
    return ",".join("%s=%#x" % (name, value)
                    for name, value in registers.items())


def mac_number(mac, learned=0):
    return int(mac.replace(":", ""), 16) | learned << 48


def words_of(address6):
    """As registers 12 to 15 have it."""
    data = bytes(entry("ca", 0, address6)[8:24])
    return {"reg%d" % (12 + i): int.from_bytes(data[4 * i:4 * i + 4], "big")
            for i in range(4)}


def number(address4):
    return int.from_bytes(bytes(map(int, address4.split("."))), "big")


def expect(switch, packet, registers, table=3):
    """Sends the packet, which must get to 'table' with these registers."""
    add_flow(switch, "table=%d,priority=9,%s actions=output:2"
             % (table, match(registers)))
    n = len(switch.sent("p2"))
    switch.send("p1", packet)
    switch.wait_for(lambda: len(switch.sent("p2")) > n,
                    "the packet in table %d" % table)
    assert bytes(switch.sent("p2")[-1]) == bytes(packet)


def arp(psrc=CA_A, pdst=CA_B):
    return (Ether(src=A, dst="ff:ff:ff:ff:ff:ff")
            / ARP(hwsrc=A, psrc=psrc, pdst=pdst))


def ipv6_packet():
    return Ether(src=A, dst=B) / IPv6(src=CA6_A, dst=CA6_B) / UDP()


def solicitation():
    return (Ether(src=A, dst="33:33:ff:00:00:11")
            / IPv6(src=CA6_A, dst="ff02::1:ff00:11", hlim=255)
            / ICMPv6ND_NS(tgt=CA6_B))


CASES = {
    "mac elsewhere": ("mac", ip_packet(), by_mac(VSID, B, PA),
                      {"reg4": 1, "reg3": number(PA)}),
    "mac here": ("mac", ip_packet(), by_mac(VSID, B), {"reg4": 0x20}),
    "mac, IPv6 PA": ("mac", ip_packet(), by_mac(VSID, B, PA6, NVGRE),
                     {"reg4": 0x12, **words_of(PA6)}),
    "mac of a shared CA": (
        "mac", ip_packet(), entry("mac", VSID, None, B, CA_B, BALANCED),
        {"reg4": 0x40, "reg2": number(CA_B)}),
    "dst elsewhere": ("dst", ip_packet(), by_ca(VSID, CA_B, B, PA, NVGRE),
                      {"reg4": 2, "reg3": number(PA),
                       "xreg4": mac_number(B)}),
    "dst here": ("dst", ip_packet(), by_ca(VSID, CA_B, B),
                 {"reg4": 0x20, "xreg4": mac_number(B)}),
    "dst learned": ("dst", ip_packet(),
                    entry("ca", VSID, CA_B, B, learned=1),
                    {"reg4": 0x20, "xreg4": mac_number(B, 1)}),
    "dst, IPv6": ("dst", ipv6_packet(), by_ca(VSID, CA6_B, B, PA6),
                  {"reg4": 0x11, "xreg4": mac_number(B), **words_of(PA6)}),
    "dst shared": ("dst", ip_packet(),
                   entry("ca", VSID, CA_B, B, CA_B, BALANCED),
                   {"reg4": 0x40, "xreg4": mac_number(B),
                    "reg2": number(CA_B)}),
    "dst shared, IPv6": ("dst", ipv6_packet(),
                         entry("ca", VSID, CA6_B, B, CA6_B, BALANCED),
                         {"reg4": 0x40, "xreg4": mac_number(B),
                          **words_of(CA6_B)}),
    "src": ("src", ip_packet(), by_ca(VSID, CA_A, A),
            {"reg4": 0x20, "xreg4": mac_number(A)}),
    "src, IPv6": ("src", ipv6_packet(), by_ca(VSID, CA6_A, A),
                  {"reg4": 0x20, "xreg4": mac_number(A)}),
    "src in ARP": ("src", arp(), by_ca(VSID, CA_A, A),
                   {"reg4": 0x20, "xreg4": mac_number(A)}),
    "target in ARP": ("target", arp(), by_ca(VSID, CA_B, B, PA),
                      {"reg4": 1, "reg3": number(PA),
                       "xreg4": mac_number(B)}),
    "target in ND": ("target", solicitation(), by_ca(VSID, CA6_B, B),
                     {"reg4": 0x20, "xreg4": mac_number(B)}),
    "target of an owner": ("target", arp(CA_B, CA_B),
                           entry("ca", VSID, CA_B, B, CA_B, BALANCED),
                           {"reg4": 0x40}),
    "nobody": ("dst", ip_packet(), by_ca(VSID, CA_A, A), {"reg4": 0}),
    "no such field": ("target", ip_packet(), by_ca(VSID, CA_B, B),
                      {"reg4": 0}),
}


@pytest.mark.parametrize("case", CASES)
def test_answers_are_in_registers(switch, session, case):
    """And all other registers are what they were."""
    key, packet, known, answer = CASES[case]
    session.put(known)
    add_flow(switch, "in_port=1 actions=%sset_field:5001->reg0,"
             "hnv(find,vsid=reg0,key=%s,table=3)" % (load(BEFORE), key))
    expect(switch, packet, {"reg0": VSID, **BEFORE, **answer})


@pytest.mark.parametrize("key, ca, share, known", [
    ("ca4", CA_B, 0, by_ca(VSID, CA_B, B)),
    ("ca6", CA6_B, 0, by_ca(VSID, CA6_B, B)),
    ("share4", CA_B, 77, entry("share", VSID, CA_B, B, share=77)),
    ("share6", CA6_B, 127, entry("share", VSID, CA6_B, B, share=127))])
def test_questions_are_in_registers(switch, session, key, ca, share, known):
    session.put(known)
    asked = words_of(ca) if key[-1] == "6" else {"reg2": number(ca)}
    for registers in asked, {name: 3 for name in asked}:
        switch.ofctl("del-flows", switch.mgmt("br-int"))
        add_flow(switch, "in_port=1 actions=%shnv(find,vsid=5001,key=%s,"
                 "table=3)" % (load({**registers, "reg11": share}), key))
        answer = ({"reg4": 0x20, "xreg4": mac_number(B)}
                  if registers == asked else {"reg4": 0, "xreg4": 0})
        expect(switch, ip_packet(), {**registers, **answer})


def find_flows(switch):
    return [line for line in switch.appctl("dpctl/dump-flows").splitlines()
            if "hnv(find" in line]


@pytest.mark.parametrize("key", ["mac", "dst", "src"])
def test_one_megaflow_asks_for_all(switch, session, key):
    """However many answers there are."""
    session.put(*[by_mac(VSID, "00:15:5d:01:00:%02x" % i, PA)
                  for i in range(20)],
                *[by_ca(VSID, "10.1.%d.%d" % (net, i), B)
                  for net in (3, 4) for i in range(20)])
    add_flow(switch, "in_port=1 actions=hnv(find,vsid=5001,key=%s,table=3)"
             % key)
    add_flow(switch, "table=3,reg4=0 actions=drop")
    add_flow(switch, "table=3,priority=1 actions=output:2")
    for i in range(20):
        switch.send("p1", Ether(src=A, dst="00:15:5d:01:00:%02x" % i)
                    / IP(src="10.1.3.%d" % i, dst="10.1.4.%d" % i) / UDP())
    switch.wait_for(lambda: len(switch.sent("p2")) == 20, "20 packets")
    flow, = find_flows(switch)
    assert "packets:19" in flow and "src=10" not in flow, flow
    show = switch.appctl("hnv/space-show")
    assert "find: done=20" in show, show


@pytest.mark.parametrize("known", [True, False])
def test_packets_from_a_tunnel(switch, session, known):
    """Flows see the tunnel that the packet came from before and after, as
    often as something is asked."""
    if known:
        session.put(by_mac(VSID, B), by_ca(VSID, CA_A, A, PA))
    tunnel = "tun_src=%s,tun_dst=192.0.2.1,tun_id=5001" % PA
    add_flow(switch, "in_port=10,%s actions="
             "hnv(find,vsid=5001,key=src,table=3)" % tunnel)
    add_flow(switch, "table=3,reg4=%d,%s actions="
             "hnv(find,vsid=5001,key=mac,table=4)" % (known, tunnel))
    add_flow(switch, "table=4,reg4=%d,ip,%s actions=ct(table=5)"
             % (0x20 if known else 0, tunnel))
    add_flow(switch, "table=5,ct_state=+trk,reg4=%d,reg3=%d,%s "
             "actions=output:2" % (0x20 if known else 0,
                                   number(PA) if known else 0, tunnel))
    for n in range(1, 4):
        arrive(switch, ip_packet())
        switch.wait_for(lambda n=n: len(switch.sent("p2")) == n, "packets")
    assert bytes(switch.sent("p2")[0]) == bytes(ip_packet())
    # From another host they are not taken for packets from this one.
    add_flow(switch, "table=3,tun_src=%s actions=output:1" % PA_2)
    add_flow(switch, "in_port=10,tun_src=%s actions="
             "hnv(find,vsid=5001,key=src,table=3)" % PA_2)
    arrive(switch, ip_packet(), PA_2)
    switch.wait_for(lambda: switch.sent("p1"), "the other packet")
    assert len(switch.sent("p2")) == 3


TO_PA = "move:reg3->tun_dst,set_field:5001->tun_id,"


def test_into_a_tunnel_by_flows(switch, session):
    """Found, tracked, asked for again, tracked again, and out."""
    session.put(by_ca(VSID, CA_A, A), by_ca(VSID, CA_B, B, PA))
    for flow in (
            "in_port=1 actions=hnv(find,vsid=5001,key=src,table=3)",
            "table=3,reg4=0x20,ip actions=ct(commit,zone=5,table=4)",
            "table=4,ct_state=+trk,reg4=0x20 actions=set_field:0->reg4,"
            "hnv(find,vsid=5001,key=dst,table=5)",
            "table=5,reg4=1,ip actions=ct(table=6,zone=6)",
            "table=6,reg4=1 actions=%soutput:10" % TO_PA):
        add_flow(switch, flow)
    for n in range(1, 4):
        switch.send("p1", ip_packet())
        outer = outer_packets(switch, n)[-1]
        assert (outer.dst, outer[IP].dst, vsid_of(outer)) == (PA_MAC, PA,
                                                              VSID)
        assert bytes(inner_of(outer)) == bytes(ip_packet())


@pytest.mark.parametrize("last", ["switch,vsid=5001", "route,vsid=5001,mac="
                                  + ROUTER])
def test_other_actions_after_it(switch, session, last):
    session.put(by_mac(VSID, B, PA), by_ca(VSID, CA_A, A),
                by_ca(VSID, CA_B, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(find,vsid=5001,key=src,table=3)")
    add_flow(switch, "table=3,reg4=0x20 actions="
             "hnv(%s,%s,table=4)" % (last, PORTS))
    add_flow(switch, "table=4,reg4=0x20,tun_src=0.0.0.0 actions=output:2")
    for n in range(1, 4):
        switch.send("p1", ip_packet())
        assert outer_packets(switch, n)[-1][IP].dst == PA
    unknown = ip_packet(dst_mac="00:15:5d:00:00:77", dst="10.1.0.99")
    switch.send("p1", unknown)
    left, = switch.wait_for(lambda: switch.sent("p2"), "the packet left")
    assert bytes(left) == bytes(unknown)


def test_after_another_action(switch, session):
    """What the fast action leaves is asked for."""
    session.put(by_mac(VSID, B))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,table=3,%s)"
             % PORTS)
    add_flow(switch, "table=3 actions=hnv(find,vsid=5001,key=mac,table=4)")
    expect(switch, ip_packet(), {"reg4": 0x20}, table=4)


def megaflows(switch):
    """By what they match: how many packets they had."""
    found = {}
    for line in switch.appctl("dpctl/dump-flows").splitlines():
        matched = re.match(r"(?:ufid:\S+, )?(.*), packets:(\d+)", line)
        if matched:
            found[matched[1]] = int(matched[2])
    return found


def test_revalidation_keeps_what_is_right(switch, session):
    """Each answer's megaflow is right for as long as it is there, whatever
    else changes; and none has to go when entries do."""
    switch.vsctl("set", "open_vswitch", ".", "other_config:max-idle=3600000")
    session.put(by_mac(VSID, B, PA), by_mac(VSID, A))
    for flow in ("in_port=1 actions=hnv(find,vsid=5001,key=mac,table=3)",
                 "table=3,reg4=0 actions=in_port",
                 "table=3,reg4=0x20 actions=output:2",
                 "table=3,reg4=1 actions=%soutput:10" % TO_PA):
        add_flow(switch, flow)

    def send(mac):
        switch.send("p1", ip_packet(dst_mac=mac))

    def wait(port, n):
        switch.wait_for(lambda: len(switch.sent(port)) == n,
                        "%d packets from %s" % (n, port))
    send(B)
    outer_packets(switch, 1)
    send(A)
    wait("p2", 1)
    send(ROUTER)
    wait("p1", 1)
    before = megaflows(switch)
    for round_ in range(3):
        # Any change of flows has all megaflows translated again.
        add_flow(switch, "table=77,reg0=%d actions=drop" % round_)
        switch.wait_for_revalidation()
        assert set(megaflows(switch)) == set(before)
    send(B)
    outer_packets(switch, 2)
    send(A)
    wait("p2", 2)
    send(ROUTER)
    wait("p1", 2)
    assert set(megaflows(switch)) == set(before)

    # B moves, here; A goes elsewhere; the router is known; B goes.
    session.put(by_mac(VSID, B), by_mac(VSID, A, PA_2), by_mac(VSID, ROUTER))
    switch.wait_for_revalidation()
    send(B)
    wait("p2", 3)
    send(A)
    assert outer_packets(switch, 3)[-1][IP].dst == PA_2
    send(ROUTER)
    wait("p2", 4)
    session.space_mod(DELETE, by_mac(VSID, B))
    session.barrier()
    send(B)
    wait("p1", 3)
    # Another flow for an answer is another megaflow at once.
    add_flow(switch, "table=3,reg4=0x20 actions=in_port")
    switch.wait_for_revalidation()
    send(ROUTER)
    wait("p1", 4)
    assert len(find_flows(switch)) == 1


def test_copies_and_following_actions(switch, session):
    """Like ct(table=...), it takes a copy."""
    session.put(by_mac(VSID, B))
    add_flow(switch, "in_port=1 actions=hnv(find,vsid=5001,key=mac,table=3),"
             "set_field:%s->eth_dst,in_port" % ROUTER)
    add_flow(switch, "table=3,reg4=0x20 actions=output:2")
    switch.send("p1", ip_packet() / Raw(b"y"))
    copy, = switch.wait_for(lambda: switch.sent("p2"), "the copy")
    rest, = switch.wait_for(lambda: switch.sent("p1"), "the packet")
    assert (copy.dst, rest.dst) == (B, ROUTER)


def test_what_is_long_is_told_after_it(switch, session):
    """Flows measure packets in ways that depend on the datapath, too."""
    session.put(by_mac(VSID, B, PA))
    for flow in ("actions=hnv(find,vsid=5001,key=mac,table=3)",
                 "table=3,reg4=1 actions=check_pkt_larger(1014)->reg11[31],"
                 "resubmit(,4)",
                 "table=4,reg11=0/0x80000000,reg4=1 actions=%soutput:10"
                 % TO_PA,
                 "table=4,reg11=0x80000000/0x80000000,reg4=1 "
                 "actions=output:2"):
        add_flow(switch, flow)
    longer = ip_packet() / Raw(bytes(1000))
    for n in range(1, 4):
        switch.send("p1", ip_packet())
        assert outer_packets(switch, n)[-1][IP].dst == PA
        switch.send("p1", longer)
        switch.wait_for(lambda n=n: len(switch.sent("p2")) == n, "the longer")
    assert bytes(switch.sent("p2")[0]) == bytes(longer)


def test_packets_that_the_agent_sends(switch, session):
    """They go through the tables like any other."""
    session.put(by_mac(VSID, B), by_ca(VSID, CA_B, B))
    add_flow(switch, "actions=hnv(find,vsid=5001,key=mac,table=3)")
    add_flow(switch, "table=3,reg4=0x20 actions="
             "hnv(find,vsid=5001,key=dst,table=4)")
    add_flow(switch, "table=4,reg4=0x20,xreg4=%#x actions=output:2"
             % mac_number(B))
    for n in range(1, 3):
        switch.ofctl("packet-out", switch.mgmt("br-int"),
                     "in_port=controller packet=%s actions=table"
                     % bytes(ip_packet()).hex())
        switch.wait_for(lambda n=n: len(switch.sent("p2")) == n, "a packet")


ACTIONS = ["hnv(find,vsid=%s,key=%s,table=3)" % (vsid, key)
           for vsid, key in (("5001", "mac"), ("reg0", "dst"), ("7", "src"),
                             ("reg15", "target"), ("1", "ca4"), ("1", "ca6"),
                             ("0", "share4"), ("16777215", "share6"))]


@pytest.fixture(name="quiet_switch", scope="module")
def fixture_quiet_switch(tmp_path_factory):
    """One for all tests that only read and write flows."""
    generator = fixture_switch.__wrapped__(tmp_path_factory.mktemp("ovs"))
    yield next(generator)
    next(generator, None)


def test_round_trip(quiet_switch):
    for i, action in enumerate(ACTIONS):
        add_flow(quiet_switch, "table=9,reg1=%d,actions=%s" % (i, action))
    flows = quiet_switch.ofctl("dump-flows", quiet_switch.mgmt("br-int"),
                               "table=9")
    for action in ACTIONS:
        assert "actions=" + action in flows


@pytest.mark.parametrize("action", [
    "find,vsid=1,table=3", "find,vsid=1,key=mac", "find,key=mac,table=3",
    "find,vsid=1,key=share,table=3", "find,vsid=1,key=,table=3",
    "find,vsid=1,key=mac,table=255", "find,vsid=1,key=mac,table=3,local=4",
    "find,vsid=1,key=mac,table=3,vxlan=10", "switch,vsid=1,key=mac",
    "find,vsid=1,key=mac,table=3,router", "load,vsid=1,table=3",
    "find,vsid=1,key=mac,table=3,next_hop=10.0.0.1",
    "find,vsid=1,key=mac,table=3,mac=00:15:5d:00:00:01"])
def test_nonsense_is_refused(quiet_switch, action):
    with pytest.raises(RuntimeError, match="hnv"):
        add_flow(quiet_switch, "table=9,actions=hnv(%s)" % action)


def test_trace_follows(switch, session):
    session.put(by_ca(VSID, CA_B, B, PA), by_ca(VSID, CA_A, A))
    for flow in ("in_port=1 actions=hnv(find,vsid=5001,key=src,table=3)",
                 "table=3,reg4=0x20 actions=set_field:0->reg4,"
                 "hnv(find,vsid=5001,key=dst,table=4)",
                 "table=4,reg4=0 actions=output:2",
                 "table=4,reg4=1 actions=%soutput:10" % TO_PA):
        add_flow(switch, flow)
    flow = "in_port=1,udp,nw_src=%s,nw_dst=" % CA_A
    trace = switch.appctl("ofproto/trace", "br-int", flow + CA_B)
    assert "ca=%s mac=%s,local" % (CA_A, A) in trace, trace
    assert "ca=%s mac=%s,pa=%s,vxlan" % (CA_B, B, PA) in trace, trace
    assert re.search(r"tnl_push\(.*dst=%s" % re.escape(PA), trace), trace
    trace = switch.appctl("ofproto/trace", "br-int", flow + "10.1.0.99")
    assert "ca=10.1.0.99 is not known" in trace, trace
    assert re.search(r"output:2\n(.*\n)*Datapath actions: \d+\n*$",
                     trace), trace
