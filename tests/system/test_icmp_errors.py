# SPDX-License-Identifier: Apache-2.0
"""What the gateway says about packets that it does not forward, to guests
with both families, over VXLAN and over NVGRE.  See world_ipv6.py for who has
which address."""

import re

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether

import world as w
from hnvlab import netns
from wire import echo, is_echo
from world_ipv6 import (GATEWAY_A, GATEWAY_B, assert_checksum, ca6,
                        description, policy)

NOWHERE = "172.16.0.1"
NOWHERE6 = "2001:db8:ffff::1"
NOBODY = "10.1.2.99"
NOBODY6 = "2001:db8:a:2::99"
TRACEROUTE_PORT = 33434


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    return w.World(make_lab(description()), policy(request.param))


def probe(dst, ttl=64, src=None, size=32, proto=None, **header):
    """A packet of a1's to the router, as traceroute sends them."""
    return (Ether(src=w.mac("a1"), dst=w.ROUTER_MAC)
            / IP(src=src or w.ca("a1"), dst=dst, ttl=ttl, **header)
            / (proto or UDP(sport=40000 + ttl, dport=TRACEROUTE_PORT + ttl))
            / (b"p" * size))


def probe6(dst, ttl=64, src=None, size=32, proto=None):
    return (Ether(src=w.mac("a1"), dst=w.ROUTER_MAC)
            / IPv6(src=src or ca6("a1"), dst=dst, hlim=ttl)
            / (proto or UDP(sport=40000 + ttl, dport=TRACEROUTE_PORT + ttl))
            / (b"p" * size))


def is_error(packet):
    return ((ICMP in packet and packet[ICMP].type in (3, 11))
            or ICMPv6DestUnreach in packet or ICMPv6TimeExceeded in packet)


def said_about(world, *packets):
    """What a1 hears about each of 'packets'."""
    with world.tap("a1") as a1:
        heard = []
        for packet in packets:
            a1.send(packet)
            answer = a1.expect(is_error, "ICMP error")
            assert answer.src == w.ROUTER_MAC
            assert answer.dst == w.mac("a1")
            heard.append(answer)
        return heard


def summary(answer):
    """(source, type, code)"""
    if IP in answer:
        return answer[IP].src, answer[ICMP].type, answer[ICMP].code
    message = answer[IPv6].payload
    return answer[IPv6].src, message.type, message.code


def assert_quotes(answer, packet):
    """Byte by byte: lengths, checksums, the packet as it was sent."""
    raw = bytes(answer)
    if IP in answer:
        assert answer[IP].dst == packet[IP].src
        assert answer[IP].ttl == 64
        again = answer.copy()
        del again[IP].chksum, again[ICMP].chksum
        assert bytes(Ether(bytes(again))) == raw
        quoted, limit = raw[14 + 20 + 8:], 576 - 28
    else:
        assert answer[IPv6].dst == packet[IPv6].src
        assert_checksum(answer)
        quoted, limit = raw[14 + 40 + 8:], 1280 - 48
    assert quoted == bytes(packet)[14:][:limit]


def silent_about(world, *packets):
    """a1 hears nothing about any of 'packets'; the fence is one that there is
    something to say about."""
    with world.tap("a1") as a1:
        a1.send(*packets)
        a1.send(probe(NOWHERE, id=4242))
        before = a1.until(lambda p: IPerror in p and p[IPerror].id == 4242,
                          "fence")
        assert not [p.summary() for p in before if is_error(p)]


@pytest.mark.parametrize("size", [0, 32, 1400])
def test_time_exceeded(world, size):
    packets = [probe(w.ca("b2"), ttl=1, size=size),
               probe6(ca6("b2"), ttl=1, size=size)]
    answers = said_about(world, *packets)
    assert [summary(a) for a in answers] == [(w.GATEWAY_A, 11, 0),
                                             (GATEWAY_A, 3, 0)]
    for answer, packet in zip(answers, packets):
        assert_quotes(answer, packet)


def test_an_error_comes_from_the_gateway_of_the_senders_subnet(world):
    def one_hop(guest, to):
        return netns.run(netns.command(
            world.lab.guest(guest).namespace,
            ["sh", "-c", f"ping -n -c1 -W5 -t1 {to} || true"]))

    for guest, gateway, gateway6, to in (
            ("a1", w.GATEWAY_A, GATEWAY_A, "b2"),
            ("b1", w.GATEWAY_B, GATEWAY_B, "a3")):
        assert f"From {gateway} icmp_seq=1 Time to live exceeded" in \
            one_hop(guest, w.ca(to))
        assert f"From {gateway6} icmp_seq=1 Time exceeded: Hop limit" in \
            one_hop(guest, ca6(to))


@pytest.mark.parametrize("to", ["b1", "b2"])
def test_traceroute_shows_the_gateway_and_then_the_guest(world, to):
    """The guest's own stack says that nobody listens on the port."""
    answers = said_about(world, *[
        make(dst, ttl=ttl) for make, dst in ((probe, w.ca(to)),
                                             (probe6, ca6(to)))
        for ttl in (1, 2)])
    assert [summary(a)[0] for a in answers] == [
        w.GATEWAY_A, w.ca(to), GATEWAY_A, ca6(to)]


def test_traceroute_to_a_gateway_ends_there(world):
    """Whatever the TTL, and no matter whose gateway."""
    answers = said_about(
        world, probe(w.GATEWAY_A, ttl=1), probe(w.GATEWAY_B, ttl=1),
        probe6(GATEWAY_A, ttl=1), probe6(GATEWAY_B, ttl=2))
    assert [summary(a) for a in answers] == [
        (w.GATEWAY_A, 3, 3), (w.GATEWAY_B, 3, 3),
        (GATEWAY_A, 1, 4), (GATEWAY_B, 1, 4)]


def test_a_gateway_has_no_services(world):
    tcp, other = said_about(
        world, probe(w.GATEWAY_A, proto=TCP(dport=22, flags="S"), size=0),
        Ether(src=w.mac("a1"), dst=w.ROUTER_MAC)
        / IP(src=w.ca("a1"), dst=w.GATEWAY_A, proto=132) / (b"s" * 20))
    assert summary(tcp) == (w.GATEWAY_A, 3, 3)
    assert summary(other) == (w.GATEWAY_A, 3, 2)


def test_a_prefix_that_nobody_has_is_unreachable(world):
    packets = [probe(NOWHERE), probe6(NOWHERE6)]
    answers = said_about(world, *packets)
    assert [summary(a) for a in answers] == [(w.GATEWAY_A, 3, 0),
                                             (GATEWAY_A, 1, 0)]
    for answer, packet in zip(answers, packets):
        assert_quotes(answer, packet)


def test_an_address_that_nobody_has_is_unreachable(world):
    answers = said_about(world, probe(NOBODY), probe6(NOBODY6))
    assert [summary(a) for a in answers] == [(w.GATEWAY_A, 3, 1),
                                             (GATEWAY_A, 1, 3)]


def test_guests_see_that_there_is_no_way(world):
    text = netns.run(netns.command(
        world.lab.guest("a1").namespace,
        ["sh", "-c", f"ping -n -c1 -W5 {NOWHERE} || true;"
         f"ping -n -c1 -W5 {NOBODY6} || true"]))
    assert f"From {w.GATEWAY_A} icmp_seq=1 Destination Net Unreach" in text
    assert (f"From {GATEWAY_A} icmp_seq=1 Destination unreachable: "
            "Address unreach") in text


def test_no_error_about_what_must_not_be_answered(world):
    """RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7, RFC 4443 section
    2.4: errors, later fragments, broadcasts, unknown senders."""
    silent_about(
        world,
        probe(NOWHERE, proto=ICMP(type=3, code=1)),
        probe(w.ca("b2"), ttl=1, proto=ICMP(type=11)),
        probe(w.ca("b2"), ttl=1, proto=ICMP(type=5)),
        probe(w.ca("b2"), ttl=1, frag=100),
        probe("10.1.2.255"),
        probe("10.1.2.0"),
        probe("255.255.255.255"),
        probe("224.0.0.251", ttl=1),
        probe("127.0.0.1"),
        probe("169.254.169.254"),
        probe(NOWHERE, src="0.0.0.0"),
        probe(NOWHERE, src="255.255.255.255"),
        probe(NOWHERE, src="224.0.0.1"),
        probe(NOWHERE, src="127.0.0.1"),
        probe(NOWHERE, src="10.1.1.255"),
        probe6(NOWHERE6, proto=ICMPv6DestUnreach()),
        probe6(NOWHERE6, proto=ICMPv6TimeExceeded()),
        probe6("ff0e::1", ttl=1),
        probe6("fe80::1234"),
        probe6(NOWHERE6, src="::"),
        probe6(NOWHERE6, src="ff02::1"))


def test_multicast_is_not_routed(world):
    """Not even to the router's own MAC."""
    with world.tap("b1") as b1, world.tap("a1") as a1:
        a1.send(probe("239.1.2.3"), probe6("ff0e::1:2"),
                echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), w.ca("b1"),
                     seq=61))
        before = b1.until(lambda p: is_echo(p, seq=61), "fence")
        assert not [p for p in before if UDP in p]


def test_what_the_router_is_asked_is_counted(world):
    def counts():
        text = world.on_host("h1", "ovs-appctl", "-t", "hnv-agent",
                             "hnv/status")
        return [line for line in text.splitlines()
                if line.startswith("packets taken, ")]

    before = counts()
    said_about(world, probe(NOWHERE))
    after = counts()
    assert len(after) > 4
    (line,) = set(after) - set(before)
    assert line.startswith("packets taken, no-route: ")


def test_a_flood_of_bad_packets_does_not_keep_others_from_an_answer(world):
    """Each guest has a meter of its own, which keeps count of what it
    drops."""
    def dropped():
        text = world.on_host("h1", "ovs-ofctl", "-OOpenFlow15", "meter-stats",
                             "br-int")
        return sum(map(int, re.findall(r"0: packet_count:(\d+)", text)))

    before = dropped()
    with world.tap("a2") as a2:
        for _ in range(20):
            a2.send(*[Ether(src=w.mac("a2"), dst=w.ROUTER_MAC)
                      / IP(src=w.ca("a2"), dst=NOWHERE) / UDP()] * 100)
        said_about(world, probe(NOWHERE))
    assert dropped() > before
