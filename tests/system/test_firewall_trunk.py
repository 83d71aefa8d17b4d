# SPDX-License-Identifier: Apache-2.0
"""The firewall of a guest with VLANs.  See test_trunk.py for who is where: t1
is in contoso's subnets and, by VLAN 20, in fabrikam's, whose x1 has the
address of contoso's a1."""

import re

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

import world as w
from firewall_rules import (allow_all, forget_connections, only_in, only_out,
                            rule, send)
from hnvlab.policy import braced, insert
from test_trunk import OTHERS, T1, T1_10, T1_20
from trunk import describe_trunk, tag_of, tagged
from wire import BROADCAST

VNIC = braced(T1.port)
ASKING, ASKED = 4000, 5000


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def lab_world(request, make_lab):
    description = w.description(OTHERS)
    description["vms"].append(describe_trunk(T1))
    return w.World(make_lab(description), w.policy(
        request.param, vms=[*OTHERS, T1, T1_10, T1_20]))


@pytest.fixture
def world(lab_world):
    yield lab_world
    trunk_rules(lab_world, allow_all())


def trunk_rules(world, rules):
    """Makes these t1's only rules."""
    send(world, "h1", {"op": "delete", "table": "FW_Rules",
                       "where": [["vnic_id", "==", VNIC]]},
         *[insert("FW_Rules", {**row, "rule_id": f"t1-{i}", "vnic_id": VNIC})
           for i, row in enumerate(rules)])
    forget_connections(world, "h1")


def to_trunk(source, sport, payload):
    to = {"a": T1, "b": T1_10, "x": T1_20}[source[0]]
    return (Ether(src=w.mac(source), dst=T1.mac)
            / IP(src=w.ca(source), dst=to.cas[0])
            / UDP(sport=sport, dport=ASKING) / payload)


def from_trunk(to, payload):
    sender = {"a": T1, "b": T1_10, "x": T1_20}[to[0]]
    packet = (Ether(src=T1.mac, dst=w.mac(to))
              / IP(src=sender.cas[0], dst=w.ca(to))
              / UDP(sport=ASKING, dport=ASKED) / payload)
    return tagged(packet, sender.vlan) if sender.vlan else packet


def has(payload):
    return lambda packet: payload in bytes(packet)


@pytest.mark.parametrize("friend, foe, vlan", [("a1", "x1", 0),
                                               ("x1", "a1", 20)])
def test_an_answer_comes_from_the_network_that_was_asked(world, friend, foe,
                                                         vlan):
    """Another network's guest with the same address does not pass for it."""
    trunk_rules(world, only_out())
    with world.tap("t1") as t1, world.tap(friend) as asked, \
            world.tap(foe) as other:
        t1.send(from_trunk(friend, b"question"))
        asked.expect(has(b"question"), "question")
        other.send(to_trunk(foe, ASKED, b"forged"))
        asked.send(to_trunk(friend, ASKED, b"answer"))
        heard = t1.until(lambda p: has(b"answer")(p) and tag_of(p) == vlan,
                         "answer")
        t1.send(from_trunk(foe, b"another"))
        other.expect(has(b"another"), "another question")
        other.send(to_trunk(foe, ASKED, b"fence"))
        heard += t1.until(has(b"fence"), "fence")
        assert not [p for p in heard if has(b"forged")(p)]


@pytest.mark.parametrize("guest", ["a1", "b1", "x1", "a3", "b2", "x3"])
def test_rules_are_for_all_subnets(world, guest):
    trunk_rules(world, only_in(protocols="udp", src_ports="53"))
    with world.tap("t1") as t1, world.tap(guest) as tap:
        t1.send(from_trunk(guest, b"unasked"))
        tap.send(to_trunk(guest, 52, b"forbidden"),
                 to_trunk(guest, 53, b"allowed"))
        heard = t1.until(has(b"allowed"), "allowed datagram")
        assert not [p for p in heard if has(b"forbidden")(p)]
        trunk_rules(world, allow_all())
        t1.send(from_trunk(guest, b"fence"))
        heard = tap.until(has(b"fence"), "fence")
        assert not [p for p in heard if has(b"unasked")(p)]


def test_broadcasts(world):
    """To each subnet its own, either way, and only those of the rules."""
    trunk_rules(world, [rule(d, protocols="udp", dst_ports="67")
                        for d in ("Inbound", "Outbound")])

    def broadcast(mac, src, dport):
        return (Ether(src=mac, dst=BROADCAST)
                / IP(src=src, dst="255.255.255.255")
                / UDP(sport=1, dport=dport) / f"{src}:{dport}.".encode())

    def said(packets):
        found = [(re.search(rb"10\.[\d.]+:\d+", bytes(p)), p)
                 for p in packets]
        return sorted((m.group().decode(), tag_of(p)) for m, p in found if m)

    with world.tap("t1") as t1, world.tap("a1") as a1, \
            world.tap("b1") as b1:
        for dport in (68, 67):
            t1.send(tagged(broadcast(T1.mac, T1_10.cas[0], dport), 10))
            t1.send(broadcast(T1.mac, T1.cas[0], dport))
            a1.send(broadcast(w.mac("a1"), w.ca("a1"), dport))
            b1.send(broadcast(w.mac("b1"), w.ca("b1"), dport))
        heard = said([t1.expect(has(b":67."), "broadcast") for _ in range(2)])
        assert heard == [(f"{w.ca('a1')}:67", 0), (f"{w.ca('b1')}:67", 10)]
        assert said([a1.expect(has(b":67."), "broadcast")]) \
            == [("10.1.1.21:67", 0)]
        assert said([b1.expect(has(b":67."), "broadcast")]) \
            == [("10.1.2.21:67", 0)]
        trunk_rules(world, allow_all())
        a1.send(to_trunk("a1", 1, b"fence"))
        assert not said(t1.until(has(b"fence"), "fence"))
        for tap, guest in ((a1, "a1"), (b1, "b1")):
            t1.send(from_trunk(guest, b"fence"))
            assert not said(tap.until(has(b"fence"), "fence"))
