# SPDX-License-Identifier: Apache-2.0
"""Forwarding, IPv4, over VXLAN and over NVGRE.  See world.py for who is
where."""

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether

import world as w
from wire import (BROADCAST, Outer, arp_request, echo, is_arp_reply, is_echo,
                  is_tunnelled, uplink_tap)


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    return w.World(make_lab(w.description()), w.policy(request.param))


def outer_of(tap, what="tunnelled packet"):
    """The first packet on the underlay that is in a tunnel."""
    return Outer(tap.expect(is_tunnelled, what, outgoing=True))


def assert_header(world, outer, vsid, source, destination):
    """The outside of a packet, byte by byte."""
    assert (outer.src, outer.dst) == (w.PAS[source], w.PAS[destination])
    if world.policy.encap == "vxlan":
        assert outer.kind == "vxlan" and outer.dport == 4789
        assert outer.flags == 0x08, "only the I flag is set"
        assert outer.reserved == bytes(4)
        assert outer.vni == vsid
    else:
        assert outer.kind == "gre"
        assert outer.flags == 0x2000, "only the K flag is set, version 0"
        assert outer.gre_protocol == 0x6558
        assert outer.vsid == vsid


def nothing_tunnelled(tap):
    """Nothing has left through a tunnel so far: an ARP request of our own on
    the same uplink is the fence."""
    fence = Ether(src="02:00:00:00:00:99", dst=BROADCAST) / ARP(
        pdst="192.0.2.99", psrc="192.0.2.98", hwsrc="02:00:00:00:00:99")
    tap.send_beside(fence)
    before = tap.until(lambda p: ARP in p and p[ARP].pdst == "192.0.2.99",
                       "fence", outgoing=True)
    left = [p.summary() for p in before if is_tunnelled(p)]
    assert not left, left


def test_two_guests_of_a_subnet_on_one_host(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", w.ca("a2"), 3)
        nothing_tunnelled(uplink)


def test_two_guests_of_a_subnet_on_two_hosts(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", w.ca("a3"), 3)
        outer = outer_of(uplink)
        assert_header(world, outer, 5001, "h1", "h2")
        inner = outer.inner
        assert (inner.src, inner.dst) == (w.mac("a1"), w.mac("a3"))
        assert (inner[IP].src, inner[IP].dst) == (w.ca("a1"), w.ca("a3"))
        assert inner[ICMP].type == 8
        back = Outer(uplink.expect(
            lambda p: is_tunnelled(p) and p[IP].src == w.PAS["h2"],
            "answer in a tunnel"))
        assert_header(world, back, 5001, "h2", "h1")
        assert back.inner[ICMP].type == 0


def test_two_hosts_in_one_provider_subnet(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", w.ca("a4"), 2)
        assert_header(world, outer_of(uplink), 5001, "h1", "h3")


def test_big_packets_arrive_whole(world):
    world.ping("a1", w.ca("a3"), 2, size=1472)


def test_two_subnets_on_one_host_never_leave_it(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", w.ca("b1"), 3)
        nothing_tunnelled(uplink)


def test_two_subnets_on_two_hosts_carry_the_destinations_vsid(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", w.ca("b2"), 3)
        outer = outer_of(uplink)
        assert_header(world, outer, 5002, "h1", "h2")
        assert outer.inner.dst == w.mac("b2")
        assert outer.inner.src == w.ROUTER_MAC
        assert outer.inner[IP].ttl == 63, "the router takes one from the TTL"
        back = Outer(uplink.expect(
            lambda p: is_tunnelled(p) and p[IP].src == w.PAS["h2"],
            "answer in a tunnel"))
        assert_header(world, back, 5001, "h2", "h1")


def test_a_packet_whose_ttl_is_used_up_is_not_routed(world):
    with world.tap("a1") as a1, world.tap("b1") as b1:
        for ttl, seq in ((1, 91), (2, 92)):
            a1.send(echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), w.ca("b1"),
                         seq=seq, ttl=ttl))
        before = b1.until(lambda p: is_echo(p, seq=92), "packet with TTL 2")
        assert not [p for p in before if is_echo(p, seq=91)]


@pytest.mark.parametrize("guest, gateway", [
    ("a1", w.GATEWAY_A), ("a3", w.GATEWAY_A), ("b1", w.GATEWAY_B),
    ("b2", w.GATEWAY_B), ("x3", w.GATEWAY_A)])
def test_the_gateway_answers_arp_and_ping_on_every_host(world, guest, gateway):
    hosts = [world.lab.guest(guest).vm.host]
    with uplink_tap(world.lab, hosts[0]) as uplink:
        assert world.gateway_mac(guest, gateway) == w.ROUTER_MAC
        world.ping(guest, gateway, 2)
        nothing_tunnelled(uplink)


def test_the_other_subnets_gateway_answers_ping(world):
    world.ping("a1", w.GATEWAY_B)


def test_a_gateway_answers_pings_that_take_several_fragments(world):
    world.ping("a1", w.GATEWAY_A, 2, size=4000)


def test_a_gateways_echo_reply_is_the_request_turned_around(world):
    with world.tap("a1") as a1:
        request = echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), w.GATEWAY_A,
                       seq=7, ident=4711, size=100)
        a1.send(request)
        reply = a1.expect(lambda p: is_echo(p, seq=7, kind=0), "echo reply")
        assert (reply.src, reply.dst) == (w.ROUTER_MAC, w.mac("a1"))
        assert (reply[IP].src, reply[IP].dst) == (w.GATEWAY_A, w.ca("a1"))
        assert reply[ICMP].id == 4711
        assert bytes(reply[ICMP].payload)[:100] == b"x" * 100
        checksum = reply[ICMP].chksum
        del reply[ICMP].chksum, reply[IP].chksum
        assert Ether(bytes(reply))[ICMP].chksum == checksum


def test_a_known_ca_is_answered_by_the_switch(world):
    """Locally and remotely: the owner hears nothing of it, nor does the
    underlay, and the answer is right in every field."""
    with world.tap("a1") as a1, world.tap("a2") as a2, \
            world.tap("a3") as a3, uplink_tap(world.lab, "h1") as uplink:
        for owner in ("a2", "a3"):
            a1.send(arp_request(w.mac("a1"), w.ca("a1"), w.ca(owner)))
            reply = a1.expect(lambda p, o=owner: is_arp_reply(p, w.ca(o)),
                              "ARP answer")
            assert (reply.src, reply.dst) == (w.mac(owner), w.mac("a1"))
            arp = reply[ARP]
            assert (arp.hwsrc, arp.psrc) == (w.mac(owner), w.ca(owner))
            assert (arp.hwdst, arp.pdst) == (w.mac("a1"), w.ca("a1"))
        nothing_tunnelled(uplink)
        a1.send(echo(w.mac("a1"), w.mac("a2"), w.ca("a1"), w.ca("a2"), seq=5),
                echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"), seq=5))
        for tap in (a2, a3):
            before = tap.until(lambda p: is_echo(p, seq=5), "fence")
            assert not [p for p in before if ARP in p]


@pytest.mark.parametrize("target", ["10.1.1.99", "10.1.2.11", "8.8.8.8"])
def test_an_unknown_ca_gets_silence(world, target):
    with world.tap("a1") as a1, world.tap("a2") as a2, world.tap("a3") as a3:
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), target),
                arp_request(w.mac("a1"), w.ca("a1"), w.ca("a2")))
        before = a1.until(lambda p: is_arp_reply(p, w.ca("a2")), "fence")
        assert not [p for p in before if is_arp_reply(p)]
        a1.send(echo(w.mac("a1"), w.mac("a2"), w.ca("a1"), w.ca("a2"), seq=6),
                echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"), seq=6))
        for tap in (a2, a3):
            before = tap.until(lambda p: is_echo(p, seq=6), "fence")
            assert not [p for p in before if ARP in p]


def test_nobody_hears_itself_when_asking_for_its_own_address(world):
    """RFC 5227: an answer to a probe would mean that the address is taken."""
    with world.tap("a1") as a1:
        a1.send(arp_request(w.mac("a1"), "0.0.0.0", w.ca("a1")),
                arp_request(w.mac("a1"), w.ca("a1"), w.ca("a1")),
                arp_request(w.mac("a1"), w.ca("a1"), w.ca("a2")))
        before = a1.until(lambda p: is_arp_reply(p, w.ca("a2")), "fence")
        assert not [p for p in before if is_arp_reply(p)]


def datagram(source, dst_mac, dst, sport):
    return (Ether(src=w.mac(source), dst=dst_mac)
            / IP(src=w.ca(source), dst=dst) / UDP(sport=sport, dport=9999)
            / b"to all")


def is_datagram(packet, sport):
    return UDP in packet and packet[UDP].sport == sport


@pytest.mark.parametrize("dst_mac, dst, sport", [
    (BROADCAST, "255.255.255.255", 1001),
    (BROADCAST, "10.1.1.255", 1002),
    ("01:00:5e:01:02:03", "239.1.2.3", 1003)])
def test_broadcast_and_multicast_reach_the_subnet_once_and_nobody_else(
        world, dst_mac, dst, sport):
    names = ["a1", "a2", "a3", "a4", "b1", "b2", "x1", "x3"]
    taps = {name: world.tap(name) for name in names}
    try:
        with uplink_tap(world.lab, "h1") as uplink:
            taps["a1"].send(datagram("a1", dst_mac, dst, sport))
            for name in ("a2", "a3", "a4"):
                got = taps[name].expect(lambda p: is_datagram(p, sport),
                                        "copy of the broadcast")
                assert (got.src, got.dst) == (w.mac("a1"), dst_mac)
            copies = sorted(
                (o.src, o.dst) for o in (
                    Outer(uplink.expect(is_tunnelled, "copy in a tunnel",
                                        outgoing=True)) for _ in range(2)))
            assert copies == sorted((w.PAS["h1"], w.PAS[h])
                                    for h in ("h2", "h3"))
            nothing_tunnelled(uplink)
        fences = [("a1", "a2"), ("a1", "a3"), ("a1", "a4"), ("a1", "b1"),
                  ("a1", "b2"), ("x3", "x1"), ("x1", "x3"), ("a2", "a1")]
        for source, to in fences:
            taps[source].send(echo(
                w.mac(source),
                w.ROUTER_MAC if to.startswith("b") else w.mac(to),
                w.ca(source), w.ca(to), seq=sport))
        for _, to in fences:
            before = taps[to].until(lambda p: is_echo(p, seq=sport), "fence")
            again = [p.summary() for p in before if is_datagram(p, sport)]
            assert not again, f"{to}: {again}"
    finally:
        for tap in taps.values():
            tap.close()


def test_networks_with_the_very_same_addresses_never_meet(world):
    """x1 and x3 are a1 and a3 in address and MAC.  Each pair hears only its
    own."""
    with world.tap("a1") as a1, world.tap("a3") as a3, \
            world.tap("x1") as x1, world.tap("x3") as x3, \
            uplink_tap(world.lab, "h1") as uplink:
        args = (w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"))
        a1.send(echo(*args, seq=41, ident=1))
        assert_header(world, outer_of(uplink), 5001, "h1", "h2")
        x1.send(echo(*args, seq=42, ident=2))
        for tap, seq, other in ((a3, 41, 42), (x3, 42, 41)):
            tap.expect(lambda p, s=seq: is_echo(p, seq=s), "own packet")
        # Each answers the other way round; what it hears is its own network.
        a1.send(echo(*args, seq=43))
        x1.send(echo(*args, seq=44))
        for tap, fence, other in ((a3, 43, 42), (x3, 44, 41)):
            before = tap.until(lambda p, f=fence: is_echo(p, seq=f), "fence")
            assert not [p for p in before if is_echo(p, seq=other)]
        for tap, fence, other in ((a1, 43, 44), (x1, 44, 43)):
            before = tap.until(
                lambda p, f=fence: is_echo(p, seq=f, kind=0), "fence")
            assert not [p for p in before if is_echo(p, seq=other, kind=0)]


def test_fabrikam_does_not_reach_what_only_contoso_has(world):
    with world.tap("x1") as x1, world.tap("a2") as a2:
        x1.send(arp_request(w.mac("x1"), w.ca("x1"), w.ca("a2")),
                echo(w.mac("x1"), w.mac("a2"), w.ca("x1"), w.ca("a2"),
                     seq=51),
                echo(w.mac("x1"), w.ROUTER_MAC, w.ca("x1"), w.ca("b1"),
                     seq=52),
                arp_request(w.mac("x1"), w.ca("x1"), w.ca("x3")))
        before = x1.until(lambda p: is_arp_reply(p, w.ca("x3")), "fence")
        assert not [p for p in before if is_arp_reply(p)]
        with world.tap("a1") as a1, world.tap("b1") as b1:
            a1.send(echo(w.mac("a1"), w.mac("a2"), w.ca("a1"), w.ca("a2"),
                         seq=53),
                    echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), w.ca("b1"),
                         seq=53))
            for tap in (a2, b1):
                before = tap.until(lambda p: is_echo(p, seq=53), "fence")
                assert not [p for p in before
                            if is_echo(p, seq=51) or is_echo(p, seq=52)]


def test_a_frame_with_another_source_mac_is_not_admitted(world):
    with world.tap("a1") as a1, world.tap("a2") as a2:
        a1.send(echo("00:15:5d:ff:ff:ff", w.mac("a2"), w.ca("a1"),
                     w.ca("a2"), seq=61),
                echo(w.mac("a1"), w.mac("a2"), w.ca("a1"), w.ca("a2"),
                     seq=62))
        before = a2.until(lambda p: is_echo(p, seq=62), "fence")
        assert not [p for p in before if is_echo(p, seq=61)]


def imitate(world, uplink, a1, a3):
    """An echo from a1 to a3 with sequence number 71, and how it looks in the
    tunnel: its bytes, to be changed, and where the VSID begins in them."""
    a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"), seq=71))
    good = bytes(uplink.expect(is_tunnelled, "packet to imitate",
                               outgoing=True))
    a3.expect(lambda p: is_echo(p, seq=71), "the packet itself")
    raw = bytearray(good)
    at = good.rindex((71).to_bytes(2, "big"))
    raw[at:at + 2] = (72).to_bytes(2, "big")
    return raw, good.index((5001).to_bytes(3, "big"), 14 + 20)


@pytest.mark.parametrize("world", ["nvgre"], indirect=True)
def test_an_nvgre_flow_id_is_ignored(world):
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a3") as a3, \
            world.tap("a1") as a1:
        raw, at = imitate(world, uplink, a1, a3)
        raw[at + 3] = 0xab
        uplink.socket.send(bytes(raw))
        a3.expect(lambda p: is_echo(p, seq=72), "packet with a FlowID")


def test_an_unknown_key_from_the_underlay_reaches_nobody(world):
    """Straight onto h2's wire, as h1 would send it, under another VSID."""
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a3") as a3, \
            world.tap("a1") as a1:
        raw, at = imitate(world, uplink, a1, a3)
        raw[at:at + 3] = (7777).to_bytes(3, "big")
        uplink.socket.send(bytes(raw))
        a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                     seq=73))
        before = a3.until(lambda p: is_echo(p, seq=73), "fence")
        assert not [p for p in before if is_echo(p, seq=72)]


@pytest.mark.parametrize("vlan", [0x81000005, 0x81000000, 0x88a80005])
def test_a_tagged_frame_from_the_underlay_reaches_nobody(world, vlan):
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a3") as a3, \
            world.tap("a1") as a1:
        raw, at = imitate(world, uplink, a1, a3)
        macs = (raw.index(bytes.fromhex(w.mac("a3").replace(":", "")), at)
                + 12)
        raw[macs:macs] = vlan.to_bytes(4, "big")
        # The outer lengths: IP's, and in VXLAN UDP's.
        for field in (16, 38) if world.policy.encap == "vxlan" else (16,):
            length = int.from_bytes(raw[field:field + 2], "big") + 4
            raw[field:field + 2] = length.to_bytes(2, "big")
        packet = Ether(bytes(raw))
        del packet[IP].chksum
        if UDP in packet:
            packet[UDP].chksum = 0
        uplink.send(packet)
        a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                     seq=74))
        before = a3.until(lambda p: is_echo(p, seq=74), "fence")
        assert not [p for p in before if is_echo(p, seq=72)]


def test_a_frame_from_a_group_address_reaches_nobody(world):
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a3") as a3, \
            world.tap("a1") as a1:
        raw, at = imitate(world, uplink, a1, a3)
        source = raw.index(bytes.fromhex(w.mac("a1").replace(":", "")), at)
        raw[source] |= 1
        uplink.socket.send(bytes(raw))
        a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                     seq=75))
        before = a3.until(lambda p: is_echo(p, seq=75), "fence")
        assert not [p for p in before if is_echo(p, seq=72)]
