# SPDX-License-Identifier: Apache-2.0
"""Hosts with IPv6 provider addresses: guests neither know nor care.

    h1 PA 2001:db8:1::10   a1 b1
    h2 PA 2001:db8:2::20   a3 b2     behind the underlay's router
    h3 PA 2001:db8:1::30   a4
"""

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from hnvlab.policy import Network, Policy, Subnet

import world as w
from wire import BROADCAST, Outer, is_tunnelled, uplink_tap

PAS = {"h1": "2001:db8:1::10", "h2": "2001:db8:2::20", "h3": "2001:db8:1::30"}
EXPERIMENT = 0x88b5             # Of no protocol (IEEE 802).
GUESTS = ["a1", "a3", "a4", "b1", "b2"]


def description():
    d = w.description([v for v in w.VMS if v.name in GUESTS])
    d["underlay"] = [
        {"subnet": "2001:db8:1::/64", "gateway": "2001:db8:1::1"},
        {"subnet": "2001:db8:2::/64", "gateway": "2001:db8:2::1"}]
    d["hosts"] = [{"name": h, "pa": [pa]} for h, pa in PAS.items()]
    return d


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    networks = [Network("contoso", [Subnet(5001, "10.1.1.0/24"),
                                    Subnet(5002, "10.1.2.254/24")])]
    policy = Policy(hosts=PAS, networks=networks, encap=request.param,
                    vms=[v for v in w.VMS if v.name in GUESTS],
                    router_mac=w.ROUTER_MAC)
    return w.World(make_lab(description()), policy)


def outer_of(tap):
    return Outer(tap.expect(is_tunnelled, "tunnelled packet", outgoing=True))


def assert_header(world, outer, vsid, source, destination):
    assert (outer.src, outer.dst) == (PAS[source], PAS[destination])
    if world.policy.encap == "vxlan":
        assert outer.kind == "vxlan" and outer.dport == 4789
        assert outer.flags == 0x08 and outer.vni == vsid
    else:
        assert outer.kind == "gre" and outer.flags == 0x2000
        assert outer.gre_protocol == 0x6558 and outer.vsid == vsid


@pytest.mark.parametrize("to, vsid, host", [
    ("a3", 5001, "h2"), ("a4", 5001, "h3"), ("b2", 5002, "h2")])
def test_guests_on_two_hosts(world, to, vsid, host):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", w.ca(to), 2, size=1472)
        outer = outer_of(uplink)
        assert_header(world, outer, vsid, "h1", host)
        assert outer.inner[IP].dst == w.ca(to)
        assert outer.inner[ICMP].type == 8


def test_a_broadcast_reaches_every_host(world):
    frame = Ether(src=w.mac("a1"), dst=BROADCAST,
                  type=EXPERIMENT) / (b"x" * 50)
    with world.tap("a1") as a1, world.tap("a3") as a3, \
            world.tap("a4") as a4:
        a1.send(frame)
        for tap in (a3, a4):
            tap.expect(lambda p: p.type == EXPERIMENT, "broadcast")


def test_a_copy_per_guest(world):
    """Made out to each, and to the address of its host."""
    before = world.policy
    networks = [Network("contoso", [
        Subnet(5001, "10.1.1.0/24", {"replication": "per_vm"}),
        Subnet(5002, "10.1.2.254/24")])]
    frame = (Ether(src=w.mac("a1"), dst=BROADCAST)
             / IP(src=w.ca("a1"), dst="255.255.255.255")
             / UDP(sport=3001, dport=9999) / b"to all")

    def is_copy(packet):
        return UDP in packet and packet[UDP].sport == 3001

    world.apply(before.replace(networks=networks))
    try:
        with world.tap("a1") as a1, world.tap("a3") as a3, \
                world.tap("a4") as a4, \
                uplink_tap(world.lab, "h1") as uplink:
            a1.send(frame)
            for tap, name, host in ((a3, "a3", "h2"), (a4, "a4", "h3")):
                copy = tap.expect(is_copy, "copy")
                assert (copy.dst, copy[IP].dst) == (w.mac(name), w.ca(name))
                outer = Outer(uplink.expect(
                    lambda p, n=name: is_tunnelled(p)
                    and is_copy(Outer(p).inner)
                    and Outer(p).inner.dst == w.mac(n), "tunnelled copy",
                    outgoing=True))
                assert_header(world, outer, 5001, "h1", host)
    finally:
        world.apply(before)
