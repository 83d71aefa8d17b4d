# SPDX-License-Identifier: Apache-2.0
"""The firewall, to guests who talk to each other by their own stacks, over
VXLAN and over NVGRE.  See world_ipv6.py for who has which address."""

import contextlib
import threading
import time

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

import world as w
from firewall_rules import (ADMIN, allow_all, deny_all, forget_connections,
                            only_in, only_out, rule, set_rules)
from guest_sockets import (PATIENCE, Connection, Stream, assert_answers,
                           assert_connects, assert_no_answer,
                           assert_no_connection, assert_refused)
from waiting import until
from wire import BROADCAST, arp_request, is_arp_reply
from world_ipv6 import (ALL_NODES, ALL_NODES_MAC, ca6, description, is_advert,
                        end, link_local, policy, solicit)

# On one host, on two; in one subnet, and routed.
WAYS = [("a1", "a2"), ("a1", "a3"), ("a1", "b1"), ("a1", "b2")]
FAMILIES = [4, 6]
WEB, OTHER = 8080, 8081


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    return w.World(make_lab(description()), policy(request.param))


# What is allowed, and its answer; what is not.


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("source, to", WAYS)
def test_tcp_and_udp_reach_the_ports_that_a_rule_names(world, firewall,
                                                       source, to, family):
    """The receiver may not begin anything, but answer; likewise the sender
    may not be called."""
    firewall(**{to: only_in(protocols="tcp, udp", dst_ports=str(WEB)),
                source: only_out()})
    ends = end(source, family), end(to, family)
    assert_connects(world, *ends, WEB)
    assert_answers(world, *ends, WEB)
    assert_no_connection(world, *ends, OTHER)
    assert_no_answer(world, *ends, OTHER)
    assert_no_answer(world, *reversed(ends), WEB)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("source, to", WAYS)
def test_rules_hold_where_packets_leave_as_well(world, firewall, source, to,
                                                family):
    firewall(**{source: [rule("Outbound", protocols="6", dst_ports=str(WEB)),
                         rule("Outbound", "Block", 2000), *only_in()]})
    ends = end(source, family), end(to, family)
    assert_connects(world, *ends, WEB)
    assert_no_connection(world, *ends, OTHER)
    assert_no_answer(world, *ends, WEB)


@pytest.mark.parametrize("family, protocol, kind, other", [
    (4, "icmp", "8", "13"), (6, "icmpv6", "128", "130-140")])
@pytest.mark.parametrize("source, to", WAYS)
def test_a_ping_and_its_answer(world, firewall, source, to, family, protocol,
                               kind, other):
    firewall(**{to: only_in(protocols=protocol, dst_ports=kind),
                source: only_out()})
    world.ping(source, end(to, family)[1])
    firewall(**{to: only_in(protocols=protocol, dst_ports=other)})
    forget_connections(world, *world.lab.hosts)
    with world.tap(source) as tap, world.tap(to) as other_tap:
        unheard(world, tap, other_tap, source, to, family)


def probe(source, to, family, payload, dport=OTHER, **udp):
    """A datagram, to the router if it has to be routed."""
    mac = w.mac(to) if source[0] == to[0] else w.ROUTER_MAC
    (_, src), (_, dst) = end(source, family), end(to, family)
    ip = IP(src=src, dst=dst) if family == 4 else IPv6(src=src, dst=dst)
    return (Ether(src=w.mac(source), dst=mac) / ip
            / UDP(**{"sport": 40000, "dport": dport, **udp}) / payload)


def has(payload):
    return lambda packet: payload in bytes(packet)


def unheard(world, tap, other_tap, source, to, family):
    """A datagram of 'source' does not reach 'to', until rules let it.  The
    ARP answers say that the switch has done with the first."""
    tap.send(probe(source, to, family, b"forbidden"))
    for _ in range(2):
        tap.send(arp_request(w.mac(source), w.ca(source), w.GATEWAY_A))
        tap.expect(is_arp_reply, "the gateway's answer")
    set_rules(world, {to: allow_all()})
    tap.send(probe(source, to, family, b"fence"))
    assert not [p for p in other_tap.until(has(b"fence"), "fence")
                if has(b"forbidden")(p)]


@pytest.mark.parametrize("to", ["a2", "a3"])
def test_two_layers_both_have_to_let_a_packet_through(world, firewall, to):
    both = end("a1", 4), end(to, 4)
    web = {"protocols": "tcp", "dst_ports": str(WEB)}
    firewall(**{to: [rule("Inbound", rule_type=ADMIN), *deny_all()]})
    assert_no_connection(world, *both, WEB)
    firewall(**{to: [rule("Inbound", **web), *deny_all(ADMIN)]})
    assert_no_connection(world, *both, WEB)
    firewall(**{to: [rule("Inbound", rule_type=ADMIN, **web),
                     rule("Inbound")]})
    assert_connects(world, *both, WEB)
    assert_no_connection(world, *both, OTHER)


def test_priorities_and_states(world, firewall):
    both = end("a1", 4), end("a3", 4)
    block = rule("Inbound", "Block", 500, src_ip_addresses="10.1.1.0/24")
    firewall(a3=[block, rule("Inbound", priority=500)])
    assert_no_answer(world, *both, WEB)
    firewall(a3=[block, rule("Inbound", priority=499)])
    assert_answers(world, *both, WEB)
    firewall(a3=[{**block, "rule_state": "Disabled"},
                 rule("Inbound", priority=600)])
    assert_answers(world, *both, WEB)
    firewall(a3=[{**block, "priority": 599}, rule("Inbound", priority=600)])
    assert_no_answer(world, *both, WEB)


# Errors about what is allowed.


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("source, to", WAYS)
def test_an_error_about_a_connection_passes(world, firewall, source, to,
                                            family):
    """Though no rule of either guest lets ICMP through."""
    firewall(**{to: only_in(protocols="udp"),
                source: [rule("Outbound", protocols="udp")]})
    assert_refused(world, end(source, family), end(to, family)[1], OTHER)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_router_says_of_a_packet_is_heard(world, firewall, family):
    firewall(a1=[rule("Outbound", protocols="udp")])
    packet = probe("a1", "b2", family, b"far")
    if family == 4:
        packet[IP].ttl = 1
    else:
        packet[IPv6].hlim = 1
    with world.tap("a1") as a1:
        a1.send(packet)
        answer = a1.expect(lambda p: p.src == w.ROUTER_MAC and has(b"far")(p),
                           "ICMP error")
        assert (answer[ICMP].type == 11 if family == 4
                else answer[IPv6].payload.type == 3)


@pytest.mark.parametrize("target", ["a2", "a3"])
def test_who_has_an_address_is_told_no_matter_what_rules_say(
        world, firewall, target):
    firewall(a1=deny_all(), **{target: deny_all()})
    with world.tap("a1") as a1:
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), w.ca(target)))
        a1.expect(lambda p: is_arp_reply(p, w.ca(target)), "ARP answer")
        a1.send(solicit("a1", ca6(target)))
        a1.expect(lambda p: is_advert(p, ca6(target)), "advertisement")


# Rules change.


@pytest.mark.parametrize("source, to, changed, family", [
    ("a1", "a2", "a1", 4), ("a1", "a2", "a2", 6), ("a1", "a3", "a1", 6),
    ("a1", "a3", "a3", 4), ("a1", "b2", "b2", 4)])
def test_a_connection_that_is_no_longer_allowed_is_cut(
        world, firewall, source, to, changed, family):
    """Within a second, both ways; others go on, with no packet lost."""
    direction = "Outbound" if changed == source else "Inbound"
    before = [rule(direction, protocols="tcp,udp",
                   dst_ports=f"{WEB},{OTHER}")]
    after = [rule(direction, protocols="tcp,udp", dst_ports=str(OTHER))]
    firewall(**{source: only_out(), to: only_in()})
    firewall(**{changed: before})
    ends = end(source, family), end(to, family)
    with Connection(world, *ends, WEB) as cut, \
            Connection(world, *ends, OTHER) as spared, \
            Stream(world, *ends, WEB) as cut_stream, \
            Stream(world, *ends, OTHER) as spared_stream:
        cut.assert_alive()
        firewall(forget=False, **{changed: after})
        now = time.monotonic()
        until(lambda: time.monotonic() > cut_stream.last_arrival() + PATIENCE,
              "a cut")
        assert cut_stream.last_arrival() < now + 1
        cut.assert_dead()
        spared.assert_alive()
        assert spared_stream.numbers() == list(range(spared_stream.sent))


@pytest.mark.parametrize("to", ["a2", "a3"])
def test_a_connection_is_left_alone_by_what_does_not_concern_it(
        world, firewall, to):
    """Rules come and go, on either side, the one that allowed it among them;
    there is always one that does."""
    mine = rule("Inbound", protocols="udp,tcp", dst_ports=str(WEB))
    sets = [
        [mine], [mine, rule("Inbound", "Block", 10, dst_ports="1-99",
                            protocols="tcp")],
        [{**mine, "priority": 20}, rule("Inbound", "Block", 30)],
        [rule("Inbound", protocols="17,6", dst_ports="8000-9000")],
        [*allow_all(), *[{**row, "rule_type": ADMIN} for row in allow_all()]],
        [mine]]
    firewall(a1=only_out(), **{to: sets[0]})
    ends = end("a1", 4), end(to, 4)
    with Connection(world, *ends, WEB) as connection, \
            Stream(world, *ends, WEB, 0.002) as stream:
        for rules in sets[1:]:
            firewall(forget=False, **{to: rules})
            connection.assert_alive()
        firewall(forget=False, a1=[*only_out(), rule("Inbound", "Block", 9)])
        connection.assert_alive()
        firewall(forget=False, a4=deny_all(), b1=deny_all())
        connection.assert_alive()
        assert stream.numbers() == list(range(stream.sent))


class Pairs:
    """a1 sends a3 two datagrams each millisecond, to ports 1000 and 2000,
    which begin a connection each."""

    def __init__(self, world):
        self.taps = world.tap("a1"), world.tap("a3")
        self.frames = [
            bytearray(bytes(probe("a1", "a3", 4, b"pair", port, chksum=0)))
            for port in (1000, 2000)]
        self.sent = 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()
        for tap in self.taps:
            tap.close()

    def _run(self):
        while not self.ending.wait(0.001) and self.sent < 0xffff:
            self.sent += 1
            for frame in self.frames:
                frame[34:36] = self.sent.to_bytes(2, "big")
                self.taps[0].send(frame)

    def arrived(self):
        """{port: numbers of the datagrams that came}, once all have."""
        self.ending.set()
        self.thread.join()
        came = {1000: [], 2000: []}
        for packet in self.taps[1].packets():
            if has(b"pair")(packet):
                came[packet[UDP].dport].append(packet[UDP].sport)
            if len(came[1000]) == self.sent:
                break
        return came


@pytest.mark.parametrize("column", ["dst_ports", "src_ip_addresses"])
def test_nobody_sees_half_of_a_change(world, firewall, column):
    """Two sets of rules in turn, which agree about two ports, each by another
    rule: always to the one, never to the other."""
    some = {"dst_ports": "2000"} if column == "dst_ports" else {
        "dst_ports": "1500-65535",
        "src_ip_addresses": "10.1.1.0/24,10.1.2.0/24"}
    one = [rule("Inbound", "Block", 10, protocols="udp", **some),
           rule("Inbound", priority=20)]
    two = [rule("Inbound", priority=10, protocols="udp", dst_ports="1000"),
           rule("Inbound", "Block", 20)]
    firewall(a3=one)
    with Pairs(world) as pairs:
        for rules in (two, one) * 15:
            firewall(forget=False, a3=rules)
        came = pairs.arrived()
        assert sorted(came[1000]) == list(range(1, pairs.sent + 1))
        assert not came[2000]


# Copies.


def shout(family, text):
    if family == 4:
        to, ip = BROADCAST, IP(src=w.ca("a1"), dst="10.1.1.255")
    else:
        to, ip = ALL_NODES_MAC, IPv6(src=link_local(w.mac("a1")),
                                     dst=ALL_NODES)
    return (Ether(src=w.mac("a1"), dst=to) / ip
            / UDP(sport=9, dport=WEB) / text)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("deaf", ["a2", "a3", "a4"])
def test_each_copy_of_a_broadcast_meets_its_receivers_rules(
        world, firewall, deaf, family):
    firewall(**{deaf: only_in(protocols="udp", dst_ports=str(OTHER))})
    with contextlib.ExitStack() as stack:
        a1, *taps = [stack.enter_context(world.tap(guest))
                     for guest in ("a1", "a2", "a3", "a4")]
        a1.send(shout(family, b"to all"))
        for tap, guest in zip(taps, ("a2", "a3", "a4")):
            if guest != deaf:
                tap.expect(has(b"to all"), "broadcast")
        for i, tap in enumerate(taps):
            a1.send(probe("a1", f"a{i + 2}", family, b"fence"))
            before = tap.until(has(b"fence"), "fence")
            assert not [p for p in before if has(b"to all")(p)]


def test_a_broadcast_meets_its_senders_rules(world, firewall):
    firewall(a1=[rule("Outbound", dst_ip_addresses="10.1.1.12-10.1.1.14")])
    with contextlib.ExitStack() as stack:
        a1, *taps = [stack.enter_context(world.tap(guest))
                     for guest in ("a1", "a2", "a3", "a4")]
        a1.send(shout(4, b"to all"))
        for i, tap in enumerate(taps):
            a1.send(probe("a1", f"a{i + 2}", 4, b"fence"))
            before = tap.until(has(b"fence"), "fence")
            assert not [p for p in before if has(b"to all")(p)]
