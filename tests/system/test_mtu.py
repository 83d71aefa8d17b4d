# SPDX-License-Identifier: Apache-2.0
"""How long guests' packets may be: by the uplink and the encapsulation.

The lab's uplinks have an MTU of 1600, its guests one of 1500."""

import contextlib
import dataclasses

import pytest
from scapy.layers.inet import ICMP, IP, UDP, IPerror
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from hnvlab import netns
from hnvlab.errors import LabError
from hnvlab.policy import Network, Policy, Subnet

import world as w
from waiting import until

OVERHEAD = {("vxlan", 4): 50, ("nvgre", 4): 42,
            ("vxlan", 6): 70, ("nvgre", 6): 62}
UPLINK = 1600
PAS = {4: w.PAS, 6: {"h1": "2001:db8:1::10", "h2": "2001:db8:2::20",
                     "h3": "2001:db8:1::30"}}
UNDERLAY = {4: [{"subnet": "192.168.1.0/24", "gateway": "192.168.1.1"},
                {"subnet": "192.168.2.0/24", "gateway": "192.168.2.1"}],
            6: [{"subnet": "2001:db8:1::/64", "gateway": "2001:db8:1::1"},
                {"subnet": "2001:db8:2::/64", "gateway": "2001:db8:2::1"}]}
GUESTS = ("a1", "a3", "a4")
GATEWAY_IPV6, A1_IPV6, A3_IPV6 = "fd00:1::1", "fd00:1::11", "fd00:1::13"


def with_ipv6(guest):
    return dataclasses.replace(guest, cas=[*guest.cas, A1_IPV6])


@pytest.fixture(scope="module", params=list(OVERHEAD),
                ids=lambda p: f"{p[0]}-ipv{p[1]}")
def world(request, make_lab):
    encap, family = request.param
    vms = [v for v in w.VMS if v.name in GUESTS]
    description = w.description(vms)
    description["underlay"] = UNDERLAY[family]
    description["hosts"] = [{"name": h, "pa": [pa]}
                            for h, pa in PAS[family].items()]
    networks = [Network("contoso", [Subnet(5001, "10.1.1.0/24"),
                                    Subnet(5001, "fd00:1::/64")])]
    world = w.World(make_lab(description), Policy(
        hosts=PAS[family], networks=networks, encap=encap,
        vms=[with_ipv6(v) if v.name == "a1" else v for v in vms],
        router_mac=w.ROUTER_MAC))
    world.overhead = OVERHEAD[request.param]
    return world


def mtu(world, host="h1"):
    (row,) = world.rows(host, "Physical_Port", ["status"])
    return int(dict(row["status"][1])["mtu"])


def diagnostics(world):
    return [(r["code"], r["text"]) for r in world.rows(
        "h1", "Diagnostic", ["code", "text"])]


def wait_for_mtu(world, wanted):
    until(lambda: mtu(world) == wanted, f"an MTU of {wanted}", 10)


@contextlib.contextmanager
def uplink_mtu(world, value):
    namespace = world.lab.host("h1").namespace
    netns.ip(namespace, [f"link set uplink0 mtu {value}"])
    try:
        yield
    finally:
        netns.ip(namespace, [f"link set uplink0 mtu {UPLINK}"])


def test_a_port_says_what_fits(world):
    assert mtu(world) == UPLINK - world.overhead
    assert diagnostics(world) == []


@contextlib.contextmanager
def guests_mtu(world, value):
    """Both ends of the cables of a1 and a3."""
    ends = [(world.lab.guest(g).namespace, "eth0") for g in ("a1", "a3")] + [
        (world.lab.host(w.BY_NAME[g].host).namespace, f"v-{g}")
        for g in ("a1", "a3")]
    for namespace, link in ends:
        netns.ip(namespace, [f"link set {link} mtu {value}"])
    try:
        yield
    finally:
        for namespace, link in ends:
            netns.ip(namespace, [f"link set {link} mtu 1500"])


def test_what_is_said_to_fit_does(world):
    """Ping's and IP's headers have 28 bytes."""
    fits = mtu(world)
    with guests_mtu(world, fits):
        netns.run(netns.command(world.lab.guest("a1").namespace, [
            "ping", "-n", "-q", "-c1", "-i0.1", "-w10", "-Mdo",
            f"-s{fits - 28}", w.ca("a3")]))


def test_a_smaller_uplink_is_told_of(world):
    with uplink_mtu(world, 1500):
        fits = 1500 - world.overhead
        wait_for_mtu(world, fits)
        ((code, text),) = diagnostics(world)
        assert code == "MtuTooSmall"
        assert f"v-a1 has MTU 1500, but of the guest's packets only those " \
               f"up to {fits} bytes" in text
    wait_for_mtu(world, UPLINK - world.overhead)
    assert diagnostics(world) == []


def test_an_uplink_that_is_just_large_enough_is_no_trouble(world):
    with uplink_mtu(world, 1500 + world.overhead):
        wait_for_mtu(world, 1500)
        assert diagnostics(world) == []
    wait_for_mtu(world, UPLINK - world.overhead)


def test_the_encapsulation_with_the_largest_overhead_counts(world):
    before = world.policy
    world.apply(before.replace(encap_of={
        "h3": "nvgre" if before.encap == "vxlan" else "vxlan"}))
    family = 6 if ":" in before.pas("h1")[0] else 4
    assert mtu(world) == UPLINK - OVERHEAD["vxlan", family]
    world.apply(before)
    assert mtu(world) == UPLINK - world.overhead


def is_frag_needed(packet):
    return ICMP in packet and (packet[ICMP].type, packet[ICMP].code) == (3, 4)


def too_long(world, version, to, ident, size, flags="DF", via=None):
    """A guest's packet of 'size' bytes from its IP header on."""
    via = via or w.mac("a3")
    if version == 4:
        head = IP(src=w.ca("a1"), dst=to, id=ident, flags=flags)
    else:
        head = IPv6(src=A1_IPV6, dst=to)
    head = head / UDP(sport=ident, dport=9)
    return (Ether(src=w.mac("a1"), dst=via) / head
            / Raw(b"x" * (size - len(head))))


@pytest.mark.parametrize("routed", [False, True])
def test_a_packet_that_may_not_be_cut_is_answered(world, routed):
    """Within the subnet and through the router, by the gateway."""
    with uplink_mtu(world, 1400):
        fits = 1400 - world.overhead
        wait_for_mtu(world, fits)
        forget(world)
        via = w.ROUTER_MAC if routed else None
        with world.tap("a1") as a1, world.tap("a3") as a3:
            a1.send(too_long(world, 4, w.ca("a3"), 1, fits, via=via),
                    too_long(world, 4, w.ca("a3"), 2, fits + 1, via=via))
            error = a1.expect(is_frag_needed, "fragmentation needed")
            assert (error.src, error.dst) == (w.ROUTER_MAC, w.mac("a1"))
            assert (error[IP].src, error[IP].dst) == (w.GATEWAY_A, w.ca("a1"))
            assert error[ICMP].nexthopmtu == fits
            assert error[IPerror].id == 2
            assert a3.expect(lambda p: UDP in p and p[IP].dst == w.ca("a3"),
                             "packet that fits")[IP].id == 1
    wait_for_mtu(world, UPLINK - world.overhead)


def test_a_packet_that_may_be_cut_is_not_answered(world):
    with uplink_mtu(world, 1400):
        fits = 1400 - world.overhead
        wait_for_mtu(world, fits)
        forget(world)
        with world.tap("a1") as a1:
            a1.send(too_long(world, 4, w.ca("a3"), 3, fits + 1, flags=""),
                    too_long(world, 4, w.ca("a3"), 4, fits + 1))
            error = a1.expect(is_frag_needed, "fragmentation needed")
            assert error[IPerror].id == 4
    wait_for_mtu(world, UPLINK - world.overhead)


def test_ipv6_packets_are_always_answered(world):
    with uplink_mtu(world, 1400):
        fits = 1400 - world.overhead
        wait_for_mtu(world, fits)
        forget(world)
        with world.tap("a1") as a1:
            a1.send(too_long(world, 6, A3_IPV6, 5, fits + 1))
            error = a1.expect(lambda p: ICMPv6PacketTooBig in p,
                              "packet too big")
            assert (error.src, error.dst) == (w.ROUTER_MAC, w.mac("a1"))
            assert (error[IPv6].src, error[IPv6].dst) == (GATEWAY_IPV6,
                                                          A1_IPV6)
            assert error[ICMPv6PacketTooBig].mtu == fits
    wait_for_mtu(world, UPLINK - world.overhead)


def test_a_guests_connection_finds_the_way(world):
    """The guest's own stack learns: ping finds the MTU, then fits."""
    guest = world.lab.guest("a1")
    with uplink_mtu(world, 1400):
        fits = 1400 - world.overhead
        wait_for_mtu(world, fits)
        forget(world)
        ping = ["ping", "-n", "-q", "-c1", "-i0.1", "-W2", "-Mdo",
                "-s1472", w.ca("a3")]
        with pytest.raises(LabError):
            netns.run(netns.command(guest.namespace, ping))
        routes = netns.run(netns.command(guest.namespace, [
            "ip", "route", "get", w.ca("a3")]))
        assert f"mtu {fits}" in routes
    wait_for_mtu(world, UPLINK - world.overhead)
    netns.ip(guest.namespace, ["route flush cache"])


def forget(world):
    w.forget_cached(world.lab.host("h1"))
