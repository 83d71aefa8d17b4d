# SPDX-License-Identifier: Apache-2.0
"""With the datapath extension, packets to and from any number of guests, with
any TTL, are one kind of packet: what the datapath knows after the first few is
enough for all that follow."""

import re

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import world as w
import world_ipv6 as w6
from extension import EXTENDED, needs_extension
from test_guards import from_host
from wire import arp_request, echo, is_arp_reply, is_tunnelled, uplink_tap

N = 200
WARM = 4
FEW = 24                        # Much less than N.
FIRST = 20                      # Last number of the first address.

pytestmark = needs_extension


def address(number, vsid=5001, family=4):
    net = 1 if vsid == 5001 else 2
    last = FIRST + number
    return (f"10.1.{net}.{last}" if family == 4
            else f"2001:db8:a:{net}::{last:x}")


def mac(number, vsid=5001):
    return f"00:15:5d:{vsid - 5000:02x}:77:{number:02x}"


def many():
    """Guests of h2, in two subnets."""
    return [w.Vm(f"n{vsid}-{i}", "h2",
                 f"{vsid:08x}-7777-4000-8000-{i:012x}", mac(i, vsid), vsid,
                 [address(i, vsid), address(i, vsid, 6)])
            for vsid in (5001, 5002) for i in range(N)]


@pytest.fixture(name="world", scope="module", params=["vxlan", "nvgre"])
def fixture_world(make_lab, request):
    world = w.World(make_lab(w6.description(), vswitchd=EXTENDED,
                             backend="hnv"))
    world.apply(w6.policy(request.param, vms=w6.VMS + many()))
    return world


def counts(world):
    """Packets that the datapath had to ask about, and flows that it has."""
    switch = world.lab.host("h1").switch
    asked = re.findall(r"miss with success upcall: (\d+)",
                       switch.appctl("dpif-netdev/pmd-stats-show"))
    flows = switch.appctl("dpctl/dump-flows")
    return sum(map(int, asked)), len(flows.splitlines())


def assert_few_new(before, after):
    """Of a MAC or an address it may take a flow to say which bit of it shows
    that it is not the router's."""
    assert (after[0] - before[0] <= FEW
            and after[1] - before[1] <= FEW), (before, after)


def udp(to_mac, ip, number):
    return (Ether(src=w.mac("a1"), dst=to_mac) / ip
            / UDP(sport=1000, dport=2000) / Raw(b"number %03d" % number))


def by_mac(number):
    return udp(mac(number), IP(src=w.ca("a1"), dst=address(number)), number)


def routed(number):
    return udp(w.ROUTER_MAC, IP(src=w.ca("a1"), dst=address(number, 5002)),
               number)


def by_mac6(number):
    return udp(mac(number),
               IPv6(src=w6.ca6("a1"), dst=address(number, family=6)), number)


def routed6(number):
    return udp(w.ROUTER_MAC,
               IPv6(src=w6.ca6("a1"), dst=address(number, 5002, 6)), number)


def other_ttl(number):
    return udp(w.ROUTER_MAC,
               IP(src=w.ca("a1"), dst=address(1, 5002), ttl=2 + number),
               number)


def other_hop_limit(number):
    return udp(w.ROUTER_MAC, IPv6(src=w6.ca6("a1"), hlim=2 + number,
                                  dst=address(1, 5002, 6)), number)


def ask_arp(number):
    return arp_request(w.mac("a1"), w.ca("a1"), address(number))


def ask_nd(number):
    return w6.solicit("a1", address(number, family=6))


def sent(packet, number):
    return is_tunnelled(packet) and b"number %03d" % number in bytes(packet)


def arp_answered(packet, number):
    return is_arp_reply(packet, address(number))


def nd_answered(packet, number):
    return w6.is_advert(packet, address(number, family=6))


@pytest.mark.parametrize("make, arrived, where", [
    (by_mac, sent, "uplink"), (routed, sent, "uplink"),
    (by_mac6, sent, "uplink"), (routed6, sent, "uplink"),
    (other_ttl, sent, "uplink"), (other_hop_limit, sent, "uplink"),
    (ask_arp, arp_answered, "guest"), (ask_nd, nd_answered, "guest"),
], ids=lambda x: getattr(x, "__name__", x))
def test_new_destinations_are_nothing_new(world, make, arrived, where):
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a1") as a1:
        heard = uplink if where == "uplink" else a1
        for number in range(N):
            if number == WARM:
                before = counts(world)
            a1.send(make(number))
            heard.expect(lambda p, n=number: arrived(p, n),
                         f"packet {number}", outgoing=where == "uplink")
    assert_few_new(before, counts(world))


def test_new_senders_are_nothing_new(world):
    """From guests of h2 to a1, as the wire brings it."""
    with uplink_tap(world.lab, "h2") as wire, world.tap("a3") as a3, \
            world.tap("a1") as a1:
        a3.send(echo(w.mac("a3"), w.mac("a1"), w.ca("a3"), w.ca("a1")))
        real = wire.expect(is_tunnelled, "packet", outgoing=True)
        for number in range(N):
            if number == WARM:
                before = counts(world)
            inner = (Ether(src=mac(number), dst=w.mac("a1"))
                     / IP(src=address(number), dst=w.ca("a1"))
                     / UDP(sport=1000, dport=2000)
                     / Raw(b"number %03d" % number))
            wire.send(from_host(world, real, w.PAS["h2"], inner))
            a1.expect(lambda p, n=number: b"number %03d" % n in bytes(p),
                      f"packet {number}")
    assert_few_new(before, counts(world))
