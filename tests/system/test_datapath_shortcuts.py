# SPDX-License-Identifier: Apache-2.0

"""Packets for guests of this host go straight to their ports once the way is
known, for as long as it is the way."""

import time

import pytest
from scapy.all import IP, UDP, Ether, Raw

from hnv_bridge import (A, B, CA_A, CA_B, PA, PORTS, ROUTER, VSID, add_flow,
                        arrive, few_recirculated, fixture_session,
                        fixture_switch, ip_packet, needs_tree, port)
from hnv_switch import PUT_PORT, by_ca, by_mac, entry

pytestmark = needs_tree

C = "00:15:5d:00:00:0c"
N = 20
HOW = {"switch": ("switch", B), "route": ("route,mac=" + ROUTER, ROUTER)}


def start(switch, session, how="switch"):
    """Guests B and C are here, behind the second port."""
    session.put(by_mac(VSID, B), by_ca(VSID, CA_B, B), by_mac(VSID, C))
    add_flow(switch, "in_port=1 actions=hnv(%s,vsid=5001,table=3,local=4,%s)"
             % (HOW[how][0], PORTS))
    add_flow(switch, "table=4,dl_dst=%s actions=output:2" % B)


def send(switch, packets, out="p2"):
    """One after the other; returns what came out."""
    before = len(switch.sent(out))
    for i, packet in enumerate(packets, 1):
        switch.send("p1", packet)
        switch.wait_for(lambda n=before + i: len(switch.sent(out)) >= n,
                        "packet %d" % i)
    return switch.sent(out)[before:]


def packets_to(mac, n=N):
    return [ip_packet(dst_mac=mac, sport=1000 + i) for i in range(n)]


@pytest.mark.parametrize("how", HOW)
def test_straight_to_the_port(switch, session, how):
    start(switch, session, how)
    since = time.monotonic()
    packets = packets_to(HOW[how][1])
    came = send(switch, packets)
    assert few_recirculated(switch, since)
    if how == "route":
        for packet in packets:
            packet.src, packet.dst, packet[IP].ttl = ROUTER, B, 63
    assert list(map(bytes, came)) == list(map(bytes, packets))
    switch.wait_for(lambda: counts_all_but_the_first(switch), "counts")


def counts_all_but_the_first(switch):
    """In the one flow by which they leave."""
    flows = [line for line in switch.appctl("dpctl/dump-flows").splitlines()
             if "dst=%s)" % B in line and "hnv" not in line]
    return len(flows) == 1 and "packets:%d," % (N - 1) in flows[0]


def test_guests_of_whom_more_is_to_be_done(switch, session):
    """Their packets are changed all the same, whoever's were before."""
    start(switch, session)
    add_flow(switch, "table=4,ip,dl_dst=%s actions=set_field:8->ip_dscp,"
             "output:2" % C)
    both = [p for pair in zip(packets_to(B), packets_to(C)) for p in pair]
    came = send(switch, both)
    assert [(p.dst, p[IP].tos) for p in came] == [(B, 0), (C, 32)] * N


@pytest.mark.parametrize("type_, version", [(0x800, 0x45), (0x86dd, 0x60)])
def test_packets_that_are_cut_off(switch, session, type_, version):
    """They are no IP packets, and go where their MAC says."""
    start(switch, session)
    frames = [Ether(src=A, dst=B, type=type_) / Raw(bytes([version] * n))
              for n in range(41)]
    assert list(map(bytes, send(switch, frames))) == list(map(bytes, frames))


def test_the_way_is_another(switch, session):
    start(switch, session)
    send(switch, packets_to(B))
    add_flow(switch, "table=4,priority=40000,ip,dl_dst=%s "
             "actions=set_field:8->ip_dscp,output:2" % B)

    def is_changed():
        return send(switch, packets_to(B, 1))[0][IP].tos == 32
    switch.wait_for(is_changed, "the other way")
    assert {p[IP].tos for p in send(switch, packets_to(B))} == {32}


def test_a_mirror_sees_all(switch, session):
    start(switch, session)
    send(switch, packets_to(B))
    switch.vsctl(*port(switch, "br-int", "p3", 3),
                 "--id=@to", "get", "port", "p3", "--",
                 "--id=@of", "get", "port", "p2", "--",
                 "--id=@m", "create", "mirror", "name=m", "output-port=@to",
                 "select-dst-port=@of", "--",
                 "set", "bridge", "br-int", "mirrors=@m")

    def is_seen():
        send(switch, packets_to(B, 1))
        return switch.sent("p3")
    switch.wait_for(is_seen, "the mirror")
    packets = packets_to(B)
    assert list(map(bytes, send(switch, packets, "p3"))) \
        == list(map(bytes, packets))


def test_a_port_goes_and_comes(switch, session):
    start(switch, session)
    send(switch, packets_to(B))
    switch.vsctl("del-port", "p2")
    for packet in packets_to(B):
        switch.send("p1", packet)
    switch.vsctl(*port(switch, "br-int", "p2", 2)[:-1])

    def is_back():
        switch.send("p1", ip_packet())
        return switch.sent("p2")
    switch.wait_for(is_back, "packets to the port")


def test_out_of_a_tunnel(switch, session):
    """What is admitted is not recirculated either, but for what Open vSwitch
    does with each packet that it takes out of a tunnel."""
    session.put(entry("peer", 77, PA), entry("peer", 0, PA),
                by_mac(VSID, A), by_ca(VSID, CA_A, A))
    session.space_mod(PUT_PORT, entry("mac", VSID, mac=A, cookie=2))
    add_flow(switch, "in_port=10,tun_id=5001 actions="
             "hnv(admit,vsid=5001,domain=77,source=5001,table=4)")
    add_flow(switch, "table=4,dl_dst=%s actions=output:2" % A)
    since = time.monotonic()
    for n in range(1, N + 1):
        arrive(switch, Ether(src=B, dst=A) / IP(src=CA_B, dst=CA_A)
               / UDP(sport=n, dport=2))
        switch.wait_for(lambda n=n: len(switch.sent("p2")) >= n)
    assert [p[UDP].sport for p in switch.sent("p2")] == list(range(1, N + 1))
    assert few_recirculated(switch, since, others=N)
