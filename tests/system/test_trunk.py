# SPDX-License-Identifier: Apache-2.0
"""Guests with VLANs: their tags mean subnets, and stay at home.

Of world.py's guests a1, b1, x1 on h1 and a3, b2, x3 on h2, and

    t1 on h1   untagged 5001 10.1.1.21, VLAN 10 5002 10.1.2.21,
               VLAN 20 6001 10.1.1.21
    t2 on h2   VLAN 30 5001 10.1.1.22, nothing untagged

Each has one MAC.  The guest's own stack has an interface in 5001, and t1's
one in 5002; see trunk.py.
"""

import dataclasses

import pytest
from scapy.layers.inet import ICMP, IP, UDP, IPerror
from scapy.layers.l2 import ARP, Ether

from hnvlab import netns
from hnvlab.policy import Network, Subnet, row_uuid

import world as w
from learning import wait_for
from trunk import describe_trunk, stacks, tag_of, tagged
from wire import (BROADCAST, Outer, arp_request, echo, is_arp_reply,
                  is_echo, is_tunnelled, uplink_tap)

ROUTER = w.ROUTER_MAC
T1 = w.vm("t1", "h1", 5001, "10.1.1.21", "00:15:5d:00:03:01")
T1_10 = dataclasses.replace(T1, vsid=5002, cas=["10.1.2.21"], vlan=10)
T1_20 = dataclasses.replace(T1, vsid=6001, vlan=20)
T2 = dataclasses.replace(
    w.vm("t2", "h2", 5001, "10.1.1.22", "00:15:5d:00:03:02"), vlan=30)
OTHERS = [w.BY_NAME[name] for name in ("a1", "b1", "x1", "a3", "b2", "x3")]


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab, tmp_path_factory):
    description = w.description(OTHERS)
    description["vms"] += [describe_trunk(T1), describe_trunk(T2)]
    policy = w.policy(request.param, vms=[*OTHERS, T1, T1_10, T1_20, T2])
    lab = make_lab(description)
    with stacks(lab, tmp_path_factory.mktemp("stacks"),
                [(T1, {0: "10.1.1.21", 10: "10.1.2.21"}),
                 (T2, {30: "10.1.1.22"})]):
        yield w.World(lab, policy)


def outer_echo(uplink, seq):
    """The first tunnelled echo with this number on an uplink."""
    return Outer(uplink.expect(
        lambda p: is_tunnelled(p) and is_echo(Outer(p).inner, seq=seq),
        "tunnelled echo", outgoing=True))


def assert_untagged(world, outer, vsid):
    """The inner frame's bytes, as they are on the wire, show no tag."""
    found = outer.vni if world.policy.encap == "vxlan" else outer.vsid
    assert found == vsid
    assert bytes(outer.inner)[12:14] == bytes.fromhex("0800")


@pytest.mark.parametrize("guest, to", [
    ("b1", "10.1.2.21"), ("b2", "10.1.2.21"), ("a1", "10.1.1.21"),
    ("a3", "10.1.1.21"), ("a1", "10.1.1.22"), ("b1", "10.1.1.22")])
def test_a_trunks_stack_answers_in_each_subnet(world, guest, to):
    world.ping_soon(guest, to)
    world.ping(guest, to, 3)


@pytest.mark.parametrize("guest, to", [
    ("t1", w.ca("b1")), ("t1", w.ca("b2")), ("t1", w.ca("a1")),
    ("t1", w.ca("a3")), ("t1", "10.1.1.22"), ("t1", w.GATEWAY_A),
    ("t1", w.GATEWAY_B), ("t2", w.ca("a1")), ("t2", w.GATEWAY_A)])
def test_a_trunk_reaches_guests_and_gateways(world, guest, to):
    """ARP's answers and the gateway's come back with the tag."""
    world.ping_soon(guest, to)
    world.ping(guest, to, 3)


def test_tags_stay_off_the_wire_and_are_put_back(world):
    with uplink_tap(world.lab, "h1") as uplink, world.tap("t1") as t1, \
            world.tap("b2") as b2:
        t1.send(tagged(echo(T1.mac, w.mac("b2"), "10.1.2.21", w.ca("b2"),
                            seq=21), 10))
        assert_untagged(world, outer_echo(uplink, 21), 5002)
        assert not tag_of(b2.expect(lambda p: is_echo(p, seq=21), "echo"))
        back = t1.expect(lambda p: is_echo(p, seq=21, kind=0), "answer")
        assert tag_of(back) == 10
        b2.send(echo(w.mac("b2"), T1.mac, w.ca("b2"), "10.1.2.21", seq=22))
        assert tag_of(t1.expect(lambda p: is_echo(p, seq=22), "echo")) == 10
        assert not tag_of(b2.expect(lambda p: is_echo(p, seq=22, kind=0),
                                    "answer"))


def test_two_trunks_need_not_agree_on_the_vlan(world):
    with uplink_tap(world.lab, "h1") as uplink, world.tap("t1") as t1, \
            world.tap("t2") as t2:
        t1.send(echo(T1.mac, T2.mac, "10.1.1.21", "10.1.1.22", seq=23))
        assert_untagged(world, outer_echo(uplink, 23), 5001)
        assert tag_of(t2.expect(lambda p: is_echo(p, seq=23), "echo")) == 30
        assert not tag_of(t1.expect(lambda p: is_echo(p, seq=23, kind=0),
                                    "answer"))


def test_the_switchs_answers_bear_the_tag_that_was_asked_with(world):
    with world.tap("t1") as t1:
        for vlan, ca, gateway in ((10, "10.1.2.21", w.GATEWAY_B),
                                  (20, "10.1.1.21", w.GATEWAY_A)):
            t1.send(tagged(arp_request(T1.mac, ca, gateway), vlan))
            reply = t1.expect(lambda p, g=gateway: is_arp_reply(p, g),
                              "ARP answer")
            assert tag_of(reply) == vlan
            assert (reply[ARP].hwsrc, reply.dst) == (ROUTER, T1.mac)
            t1.send(tagged(echo(T1.mac, ROUTER, ca, gateway, seq=vlan,
                                ident=5), vlan))
            pong = t1.expect(
                lambda p, v=vlan: is_echo(p, seq=v, kind=0)
                and p.src == ROUTER, "gateway's echo reply")
            assert tag_of(pong) == vlan


def test_a_vlan_can_be_in_another_network(world):
    """There t1 has the very same address as in the first."""
    with world.tap("t1") as t1, world.tap("x3") as x3, \
            world.tap("a3") as a3:
        x3.send(echo(w.mac("x3"), T1.mac, w.ca("x3"), "10.1.1.21", seq=25,
                     ident=1))
        a3.send(echo(w.mac("a3"), T1.mac, w.ca("a3"), "10.1.1.21", seq=26,
                     ident=2))
        seen = {}
        while len(seen) < 2:
            got = t1.expect(lambda p: is_echo(p, seq=25) or is_echo(p, seq=26),
                            "echo")
            seen[25 if is_echo(got, seq=25) else 26] = tag_of(got)
        assert seen == {25: 20, 26: 0}


def test_from_one_vlan_to_another_of_the_same_guest(world):
    """Through the router, like between any two guests, and on no wire."""
    with world.tap("t1") as t1:
        t1.send(tagged(echo(T1.mac, ROUTER, "10.1.2.21", "10.1.1.21", seq=27),
                       10))
        got = t1.expect(lambda p: is_echo(p, seq=27), "routed echo")
        assert (tag_of(got), got[IP].ttl) == (0, 63)
        t1.send(echo(T1.mac, ROUTER, "10.1.1.21", "10.1.2.21", seq=28))
        got = t1.expect(lambda p: is_echo(p, seq=28), "routed echo")
        assert (tag_of(got), got[IP].ttl) == (10, 63)


def to_all(mac, ca, sport):
    return (Ether(src=mac, dst=BROADCAST) / IP(src=ca, dst="255.255.255.255")
            / UDP(sport=sport, dport=9999) / b"to all")


def is_to_all(packet, sport):
    return UDP in packet and packet[UDP].sport == sport


def assert_none_before(tap, sport, fence):
    again = [p.summary() for p in tap.until(fence, "fence")
             if is_to_all(p, sport)]
    assert not again, f"{tap.name}: {again}"


def test_a_trunks_broadcast_reaches_that_vlans_subnet_once(world):
    names = ["t1", "t2", "a1", "b1", "x1", "a3", "b2", "x3"]
    taps = {name: world.tap(name) for name in names}
    try:
        taps["t1"].send(tagged(to_all(T1.mac, "10.1.2.21", 1021), 10))
        for name in ("b1", "b2"):
            got = taps[name].expect(lambda p: is_to_all(p, 1021), "copy")
            assert not tag_of(got)
        fences = [("b1", "b2"), ("b2", "b1"), ("a1", "a3"), ("a3", "a1"),
                  ("x1", "x3"), ("x3", "x1"), ("b1", T1_10), ("a1", T2)]
        for source, to in fences:
            other = to if isinstance(to, w.Vm) else w.BY_NAME[to]
            taps[source].send(echo(w.mac(source), other.mac, w.ca(source),
                                   other.cas[0], seq=29))
            assert_none_before(taps[other.name], 1021,
                               lambda p: is_echo(p, seq=29))
    finally:
        for tap in taps.values():
            tap.close()


@pytest.mark.parametrize("source, trunk, tag", [
    ("b1", "t1", 10), ("b2", "t1", 10), ("a1", "t1", 0), ("a3", "t1", 0),
    ("x3", "t1", 20), ("a1", "t2", 30), ("a3", "t2", 30)])
def test_a_broadcast_reaches_a_trunk_once_with_its_tag(world, source, trunk,
                                                       tag):
    to = {("t1", 10): T1_10, ("t1", 0): T1, ("t1", 20): T1_20,
          ("t2", 30): T2}[trunk, tag]
    sport = 1100 + tag
    with world.tap(source) as sender, world.tap(trunk) as tap:
        sender.send(to_all(w.mac(source), w.ca(source), sport))
        got = tap.expect(lambda p: is_to_all(p, sport), "copy")
        assert tag_of(got) == tag
        sender.send(echo(w.mac(source), to.mac, w.ca(source), to.cas[0],
                         seq=sport))
        assert_none_before(tap, sport, lambda p: is_echo(p, seq=sport))


@pytest.mark.parametrize("trunk, tags", [
    ("t1", (11,)), ("t1", (0,)), ("t1", (10, 10)), ("t1", (10, 20)),
    ("t1", (20, 10)), ("t1", (10, 0)), ("t1", (0, 10)), ("t2", ()),
    ("t2", (10,))])
def test_other_tags_reach_nobody(world, trunk, tags):
    """One that the port does not have, VLAN 0, two tags, and no tag at all
    where there is nothing untagged."""
    vm, good = (T1, (10,)) if trunk == "t1" else (T2, (30,))
    kind = (ROUTER, "10.1.2.21" if trunk == "t1" else "10.1.1.22", w.ca("b2"))
    with world.tap(trunk) as tap, world.tap("b2") as b2:
        tap.send(tagged(echo(vm.mac, *kind, seq=31), *tags),
                 tagged(to_all(vm.mac, kind[1], 1031), *tags),
                 tagged(echo(vm.mac, *kind, seq=32), *good))
        before = b2.until(lambda p: is_echo(p, seq=32), "fence")
        assert not [p for p in before
                    if is_echo(p, seq=31) or is_to_all(p, 1031)]


def test_a_trunk_sends_from_its_own_mac_only(world):
    with world.tap("t1") as t1, world.tap("b1") as b1:
        t1.send(tagged(echo("00:15:5d:ff:ff:ff", w.mac("b1"), "10.1.2.21",
                            w.ca("b1"), seq=33), 10),
                tagged(echo(T1.mac, w.mac("b1"), "10.1.2.21", w.ca("b1"),
                            seq=34), 10))
        before = b1.until(lambda p: is_echo(p, seq=34), "fence")
        assert not [p for p in before if is_echo(p, seq=33)]


@pytest.mark.parametrize("to, kind", [
    (w.ca("a3"), (11, 0)), ("172.16.0.1", (3, 0)), ("10.1.1.99", (3, 1)),
    (w.GATEWAY_B, (3, 3))])
def test_the_router_tells_a_trunk_with_the_tag(world, to, kind):
    """From the gateway of the tag's subnet: that the TTL is over, that nobody
    has the prefix or the address, that the router has no such port."""
    with world.tap("t1") as t1:
        packet = (Ether(src=T1.mac, dst=ROUTER)
                  / IP(src="10.1.2.21", dst=to, id=35,
                       ttl=1 if kind[0] == 11 else 64)
                  / UDP(sport=1035, dport=33434))
        t1.send(tagged(packet, 10))
        error = t1.expect(lambda p: IPerror in p and p[IPerror].id == 35,
                          "ICMP error")
        assert tag_of(error) == 10
        assert (error.src, error.dst) == (ROUTER, T1.mac)
        assert (error[ICMP].type, error[ICMP].code) == kind
        assert (error[IP].src, error[IP].dst) == (w.GATEWAY_B, "10.1.2.21")
        assert error[IPerror].dst == to


@pytest.fixture
def short_uplink(world):
    """How long packets may be, for a while, on h1."""
    namespace = world.lab.host("h1").namespace
    overhead = 50 if world.policy.encap == "vxlan" else 42

    def wait_for_mtu(wanted):
        def found():
            rows = world.rows("h1", "Physical_Port", ["status"], [
                ["_uuid", "==", ["uuid", row_uuid("port", T1.port)]]])
            return dict(rows[0]["status"][1]).get("mtu") == str(wanted)
        wait_for(found, f"MTU {wanted}")
        w.forget_cached(world.lab.host("h1"))

    netns.ip(namespace, ["link set uplink0 mtu 1400"])
    try:
        wait_for_mtu(1400 - overhead)
        yield 1400 - overhead
    finally:
        netns.ip(namespace, ["link set uplink0 mtu 1600"])
        wait_for_mtu(1600 - overhead)


@pytest.mark.parametrize("vlan, ca, gateway", [
    (0, "10.1.1.21", w.GATEWAY_A), (10, "10.1.2.21", w.GATEWAY_B)])
@pytest.mark.parametrize("to", ["a3", "b2"])
def test_a_trunk_is_told_of_what_is_too_long_with_the_tag(
        world, short_uplink, vlan, ca, gateway, to):
    """By the gateway of the sender's subnet, whether it is the receiver's or
    the packet came there through the router."""
    same = w.BY_NAME[to].vsid == (5002 if vlan else 5001)
    with world.tap("t1") as t1:
        head = (IP(src=ca, dst=w.ca(to), id=36, flags="DF")
                / UDP(sport=1036, dport=9))
        t1.send(tagged(
            Ether(src=T1.mac, dst=w.mac(to) if same else ROUTER) / head
            / (b"x" * (short_uplink + 1 - len(head))),
            *([vlan] if vlan else [])))
        error = t1.expect(lambda p: IPerror in p and p[IPerror].id == 36,
                          "fragmentation needed")
        assert tag_of(error) == vlan
        assert (error[ICMP].type, error[ICMP].code) == (3, 4)
        assert error[ICMP].nexthopmtu == short_uplink
        assert (error.src, error.dst) == (ROUTER, T1.mac)
        assert (error[IP].src, error[IP].dst) == (gateway, ca)


def test_a_copy_per_guest_of_a_trunks(world):
    """It is a guest like others in each of its subnets: it gets one copy,
    made out to it, with the tag, and of its own none."""
    before = world.policy
    world.apply(before.replace(networks=[
        Network("contoso", [
            Subnet(5001, "10.1.1.0/24"),
            Subnet(5002, "10.1.2.254/24", {"replication": "per_vm"})]),
        before.networks[1]]))
    try:
        with world.tap("t1") as t1, world.tap("b1") as b1, \
                world.tap("b2") as b2:
            b2.send(to_all(w.mac("b2"), w.ca("b2"), 1037))
            copy = t1.expect(lambda p: is_to_all(p, 1037), "copy")
            assert tag_of(copy) == 10
            assert (copy.dst, copy[IP].dst) == (T1.mac, "10.1.2.21")
            t1.send(tagged(to_all(T1.mac, "10.1.2.21", 1038), 10))
            for tap, name in ((b1, "b1"), (b2, "b2")):
                copy = tap.expect(lambda p: is_to_all(p, 1038), "copy")
                assert not tag_of(copy)
                assert (copy.dst, copy[IP].dst) == (w.mac(name), w.ca(name))
            b2.send(echo(w.mac("b2"), T1.mac, w.ca("b2"), "10.1.2.21",
                         seq=37))
            again = t1.until(lambda p: is_echo(p, seq=37), "fence")
            assert not [p for p in again
                        if is_to_all(p, 1037) or is_to_all(p, 1038)]
    finally:
        world.apply(before)


def test_a_bad_binding_is_set_aside_and_the_others_hold(world):
    stray = "11111111-2222-4333-8444-555555555555"
    port = row_uuid("port", T1.port)
    where = [["_uuid", "==", ["uuid", port]]]
    good = world.policy.rows("h1")["Physical_Port"][port]["vlan_bindings"][1]
    try:
        world.transact(
            "h1",
            {"op": "insert", "table": "Logical_Switch", "uuid": stray,
             "row": {"name": "stray", "tunnel_key": 7001}},
            {"op": "update", "table": "Physical_Port", "where": where,
             "row": {"vlan_bindings": ["map", [
                 *good, [40, ["uuid", stray]], [50, good[1][1]],
                 [4095, good[0][1]]]]}})
        rows = world.rows("h1", "Diagnostic", ["code", "text"],
                          [["row", "==", ["uuid", port]]])
        texts = {r["code"]: r["text"] for r in rows}
        assert set(texts) == {"PortSubnetUnusable", "VlanBinding"}
        assert 'VLAN 40: Logical_Switch "stray" is in no network.' in \
            texts["PortSubnetUnusable"]
        assert "VLAN 50 is of a subnet that the port is in already" in \
            texts["VlanBinding"]
        assert "VLAN 4095 cannot be" in texts["VlanBinding"]
        world.ping("b2", "10.1.2.21")
        world.ping("a3", "10.1.1.21")
    finally:
        world.transact(
            "h1",
            {"op": "update", "table": "Physical_Port", "where": where,
             "row": {"vlan_bindings": ["map", good]}},
            {"op": "delete", "table": "Logical_Switch",
             "where": [["_uuid", "==", ["uuid", stray]]]})
    assert not world.rows("h1", "Diagnostic", ["code"],
                          [["row", "==", ["uuid", port]]])
