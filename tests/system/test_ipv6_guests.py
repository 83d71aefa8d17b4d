# SPDX-License-Identifier: Apache-2.0
"""Guests with IPv6, over VXLAN and over NVGRE.  See world_ipv6.py for who has
which address."""

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest,
                                ICMPv6MLReport2, IPv6, IPv6ExtHdrHopByHop,
                                RouterAlert)
from scapy.layers.l2 import Ether

import world as w
from wire import Outer, is_tunnelled, uplink_tap
from world_ipv6 import (GATEWAY_A, GATEWAY_B, ROUTER_LINK_LOCAL,
                        assert_checksum, ca6, description, echo6, fence,
                        is_advert, is_echo6, link_local, policy, solicit)

PA6 = {"h1": "2001:db8:1::10", "h2": "2001:db8:2::20", "h3": "2001:db8:1::30"}


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    return w.World(make_lab(description()), policy(request.param))


def outer_of(tap):
    """The first echo request in a tunnel: guests with IPv6 have much to say
    of their own accord."""
    return Outer(tap.expect(
        lambda p: is_tunnelled(p) and ICMPv6EchoRequest in Outer(p).inner,
        "tunnelled packet", outgoing=True))


def assert_header(world, outer, vsid, source, destination):
    pas = world.policy.hosts
    assert (outer.src, outer.dst) == (pas[source], pas[destination])
    if world.policy.encap == "vxlan":
        assert outer.kind == "vxlan" and outer.vni == vsid
    else:
        assert outer.kind == "gre" and outer.vsid == vsid


# Guests reach each other.


@pytest.mark.parametrize("to", ["a2", "a3", "a4", "b1", "b2"])
def test_guests_with_both_families_reach_each_other_by_either(world, to):
    world.ping("a1", ca6(to), 3)
    world.ping("a1", w.ca(to), 3)


def test_two_guests_of_a_subnet_on_two_hosts(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", ca6("a3"), 2, size=1452)
        outer = outer_of(uplink)
        assert_header(world, outer, 5001, "h1", "h2")
        inner = outer.inner
        assert (inner.src, inner.dst) == (w.mac("a1"), w.mac("a3"))
        assert (inner[IPv6].src, inner[IPv6].dst) == (ca6("a1"), ca6("a3"))
        assert inner[IPv6].hlim == 64


def test_two_subnets_on_two_hosts_carry_the_destinations_vsid(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", ca6("b2"), 2)
        outer = outer_of(uplink)
        assert_header(world, outer, 5002, "h1", "h2")
        inner = outer.inner
        assert (inner.src, inner.dst) == (w.ROUTER_MAC, w.mac("b2"))
        assert inner[IPv6].hlim == 63, "the router takes one"


def test_two_subnets_on_one_host(world):
    with world.tap("a1") as a1, world.tap("b1") as b1:
        a1.send(echo6("a1", "b1", 31, w.ROUTER_MAC))
        got = b1.expect(lambda p: is_echo6(p, 31), "routed packet")
        assert (got.src, got.dst) == (w.ROUTER_MAC, w.mac("b1"))
        assert got[IPv6].hlim == 63
        assert_checksum(got)


def test_a_packet_whose_hop_limit_is_used_up_is_not_routed(world):
    with world.tap("a1") as a1, world.tap("b1") as b1:
        a1.send(echo6("a1", "b1", 33, w.ROUTER_MAC, hlim=1))
        before = fence(a1, b1, "a1", "b1", 34, w.ROUTER_MAC)
        assert not [p for p in before if is_echo6(p, 33)]


def test_nothing_is_routed_from_a_link_local_address(world):
    with world.tap("a1") as a1, world.tap("b1") as b1:
        a1.send(echo6("a1", "b1", 35, w.ROUTER_MAC,
                      src=link_local(w.mac("a1"))))
        before = fence(a1, b1, "a1", "b1", 36, w.ROUTER_MAC)
        assert not [p for p in before if is_echo6(p, 35)]


def test_networks_with_the_very_same_addresses_never_meet(world):
    world.ping("x1", ca6("x3"), 2)
    with world.tap("a1") as a1, world.tap("x1") as x1, \
            world.tap("a3") as a3, world.tap("x3") as x3:
        a1.send(echo6("a1", "a3", 41))
        x1.send(echo6("x1", "x3", 42))
        for tap, mine, other in ((a3, 43, 42), (x3, 44, 41)):
            source = a1 if tap is a3 else x1
            before = fence(source, tap, "a1", "a3", mine)
            assert not [p for p in before if is_echo6(p, other)]
    with world.tap("x1") as x1:
        x1.send(solicit("x1", ca6("a2")), solicit("x1", ca6("x3")))
        before = x1.until(lambda p: is_advert(p, ca6("x3")), "fence")
        assert not [p for p in before if is_advert(p, ca6("a2"))]


# The gateway's ping.


@pytest.mark.parametrize("guest, gateway, size", [
    ("a1", GATEWAY_A, 56), ("a1", GATEWAY_B, 56), ("b2", GATEWAY_B, 56),
    ("a1", f"{ROUTER_LINK_LOCAL}%eth0", 56), ("a3", GATEWAY_A, 4000),
    ("b1", f"{ROUTER_LINK_LOCAL}%eth0", 4000)])
def test_a_gateway_answers_ping(world, guest, gateway, size):
    world.ping(guest, gateway, 2, size=size)


def test_a_gateways_echo_reply_is_the_request_turned_around(world):
    with world.tap("a1") as a1:
        a1.send(Ether(src=w.mac("a1"), dst=w.ROUTER_MAC)
                / IPv6(src=ca6("a1"), dst=GATEWAY_A, hlim=7)
                / ICMPv6EchoRequest(id=4711, seq=61, data=b"y" * 100))
        reply = a1.expect(lambda p: is_echo6(p, 61, ICMPv6EchoReply),
                          "echo reply")
        assert (reply.src, reply.dst) == (w.ROUTER_MAC, w.mac("a1"))
        ip, answer = reply[IPv6], reply[ICMPv6EchoReply]
        assert (ip.src, ip.dst, ip.hlim) == (GATEWAY_A, ca6("a1"), 64)
        assert (answer.id, answer.data) == (4711, b"y" * 100)
        assert_checksum(reply)


# Multicast.


def mdns(name):
    return (Ether(src=w.mac(name), dst="33:33:00:00:00:fb")
            / IPv6(src=link_local(w.mac(name)), dst="ff02::fb", hlim=255)
            / UDP(sport=5353, dport=5353) / b"who is there?")


def mld_report(name):
    """As in duplicate address detection: from no address, with a router alert
    (RFC 3590, RFC 3810)."""
    return (Ether(src=w.mac(name), dst="33:33:00:00:00:16")
            / IPv6(src="::", dst="ff02::16", hlim=1)
            / IPv6ExtHdrHopByHop(options=RouterAlert(value=0))
            / ICMPv6MLReport2())


def is_mdns(packet):
    return UDP in packet and packet[UDP].dport == 5353


def is_mld(packet):
    """That report, which is about no group, unlike what guests report."""
    return (ICMPv6MLReport2 in packet
            and packet[ICMPv6MLReport2].records_number == 0)


@pytest.mark.parametrize("make, wanted", [(mdns, is_mdns),
                                          (mld_report, is_mld)])
def test_other_multicast_reaches_the_subnet_once_and_nobody_else(
        world, make, wanted):
    names = ["a1", "a2", "a3", "a4", "b1", "b2", "x1", "x3"]
    taps = {name: world.tap(name) for name in names}
    try:
        taps["a1"].send(make("a1"))
        for name in ("a2", "a3", "a4"):
            taps[name].expect(wanted, "multicast")
        for source, to in [("a1", "a2"), ("a1", "a3"), ("a1", "a4"),
                           ("a1", "b1"), ("a1", "b2"), ("x3", "x1"),
                           ("x1", "x3"), ("a2", "a1")]:
            router = w.ROUTER_MAC if to.startswith("b") else None
            before = fence(taps[source], taps[to], source, to, 72, router)
            assert not [p for p in before if wanted(p)], to
    finally:
        for tap in taps.values():
            tap.close()


# The underlay's family does not matter.


@pytest.fixture(scope="module", name="world6", params=["vxlan", "nvgre"])
def _world6(request, make_lab):
    d = description()
    d["underlay"] = [
        {"subnet": "2001:db8:1::/64", "gateway": "2001:db8:1::1"},
        {"subnet": "2001:db8:2::/64", "gateway": "2001:db8:2::1"}]
    d["hosts"] = [{"name": h, "pa": [pa]} for h, pa in PA6.items()]
    return w.World(make_lab(d), policy(request.param, hosts=PA6))


@pytest.mark.parametrize("to, vsid", [("a3", 5001), ("b2", 5002)])
def test_guests_reach_each_other_over_ipv6(world6, to, vsid):
    with uplink_tap(world6.lab, "h1") as uplink:
        world6.ping("a1", ca6(to), 2, size=1452)
        assert_header(world6, outer_of(uplink), vsid, "h1", "h2")
        world6.ping("a1", w.ca(to), 2)
    world6.ping("a1", f"{link_local(w.mac('a4'))}%eth0", 2)
