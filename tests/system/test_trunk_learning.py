# SPDX-License-Identifier: Apache-2.0
"""Guests with VLANs in subnets that learn.

World.py's a1, b1, x1 on h1, a3, b2, x3 on h2, a4 on h3, and

    t1 on h1   untagged 5002 10.1.2.21, VLAN 10 5001 10.1.1.21,
               VLAN 20 6001 10.1.1.21

whose stack has interfaces in the first two.  5001 and 6001 learn, and the
policy knows no mapping there."""

import dataclasses

import pytest
from scapy.layers.l2 import ARP, Ether

from hnvlab.policy import switch_uuid

import world as w
from learning import (
    SPARE, VSID, at, forget_neighbors, is_request, learned, learning_policy,
    wait_for)
from trunk import describe_trunk, stacks, tag_of, tagged
from wire import (BROADCAST, Outer, arp_request, echo, is_arp_reply,
                  is_echo, is_tunnelled, uplink_tap)

CA = "10.1.1.21"
T1 = w.vm("t1", "h1", 5002, "10.1.2.21", "00:15:5d:00:03:01")
T1_10 = dataclasses.replace(T1, vsid=5001, cas=[CA], vlan=10)
T1_20 = dataclasses.replace(T1, vsid=6001, cas=[CA], vlan=20)
OTHERS = [w.BY_NAME[name]
          for name in ("a1", "b1", "x1", "a3", "b2", "x3", "a4")]
LEARNING = {"learning": "true"}


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def lab_world(request, make_lab, tmp_path_factory):
    description = w.description(OTHERS)
    description["vms"].append(describe_trunk(T1))
    plain = w.policy(request.param, vms=[*OTHERS, T1, T1_10, T1_20])
    lab = make_lab(description)
    with stacks(lab, tmp_path_factory.mktemp("stacks"),
                [(T1, {0: T1.cas[0], 10: CA})]):
        yield w.World(lab, dataclasses.replace(
            learning_policy(plain=plain), untold=[5001, 6001],
            config={5001: LEARNING, 6001: LEARNING}))


@pytest.fixture
def world(lab_world):
    """Where nothing is learned yet."""
    new = lab_world.policy
    lab_world.apply(new.replace(config={}))
    for host in lab_world.lab.hosts:
        wait_for(lambda h=host: not learned(lab_world, h)
                 and not learned(lab_world, h, 6001), "nothing learned")
    lab_world.apply(new)
    forget_neighbors(lab_world, "t1", "a1", "a3")
    return lab_world


def reported(world, host):
    """Ucast_Macs_Local: (Logical_Switch, CA, MAC)."""
    return {(row["logical_switch"][1], row["ipaddr"], row["MAC"])
            for row in world.rows(host, "Ucast_Macs_Local", [
                "logical_switch", "ipaddr", "MAC"])}


def wait_until_known(world, host, ca, mac, where, vsid=VSID):
    wait_for(lambda: learned(world, host, vsid).get(ca) == (mac, where),
             f"{ca} of VSID {vsid} known on {host}")


def hears_nothing_of_t1(tap, guest, gateway):
    """Nothing by ARP, at the tap of another guest."""
    tap.send(arp_request(w.mac(guest), w.ca(guest), gateway))
    heard = tap.until(lambda p: is_arp_reply(p, gateway), "fence")
    assert not [p.summary() for p in heard
                if ARP in p and p[ARP].hwsrc == T1.mac]


@pytest.mark.parametrize("source, to", [
    ("t1", w.ca("a1")), ("t1", w.ca("a3")), ("a3", CA), ("a1", CA)])
def test_from_nothing_known_to_both_knowing_each_other(world, source, to):
    """With their own stacks; the trunk speaks tagged and hears tagged."""
    world.ping(source, to, 3)
    other = "a3" if "a3" == source or to == w.ca("a3") else "a1"
    wait_until_known(world, "h1", CA, T1.mac, "here")
    wait_until_known(world, "h1", w.ca(other), w.mac(other),
                     at(world, "h2") if other == "a3" else "here")
    if other == "a3":
        wait_until_known(world, "h2", CA, T1.mac, at(world, "h1"))
    wait_for(lambda: (switch_uuid(5001), CA, T1.mac)
             in reported(world, "h1"), "reported")


def test_a_trunks_question_goes_to_every_pa_of_its_tags_subnet(world):
    """Without the tag, and to nobody of its other subnets; its address is
    learned in that subnet alone."""
    with world.tap("t1") as t1, world.tap("a1") as a1, \
            world.tap("b1") as b1, world.tap("x1") as x1, \
            uplink_tap(world.lab, "h1") as uplink:
        t1.send(tagged(arp_request(T1.mac, CA, SPARE), 10))
        outers = [Outer(uplink.expect(
            lambda p: is_tunnelled(p) and is_request(Outer(p).inner, SPARE),
            "question", outgoing=True)) for _ in range(2)]
        assert {o.dst for o in outers} == {w.PAS["h2"], w.PAS["h3"]}
        for o in outers:
            assert (o.vni if o.kind == "vxlan" else o.vsid) == 5001
            assert bytes(o.inner)[12:14] == bytes.fromhex("0806")
        assert not tag_of(a1.expect(lambda p: is_request(p, SPARE),
                                    "question"))
        wait_until_known(world, "h1", CA, T1.mac, "here")
        wait_until_known(world, "h2", CA, T1.mac, at(world, "h1"))
        assert not learned(world, "h1", 6001)
        assert not learned(world, "h2", 6001)
        hears_nothing_of_t1(b1, "b1", w.GATEWAY_B)
        hears_nothing_of_t1(x1, "x1", w.GATEWAY_A)


def test_one_address_by_two_tags(world):
    """In two networks the trunk has the same one."""
    with world.tap("t1") as t1, world.tap("x3") as x3:
        t1.send(tagged(arp_request(T1.mac, CA, SPARE), 20))
        assert not tag_of(x3.expect(lambda p: is_request(p, SPARE),
                                    "question"))
        wait_until_known(world, "h1", CA, T1.mac, "here", 6001)
        wait_until_known(world, "h2", CA, T1.mac, at(world, "h1"), 6001)
        assert CA not in learned(world, "h1")
        assert CA not in learned(world, "h2")
        t1.send(tagged(arp_request(T1.mac, CA, SPARE), 10))
        wait_until_known(world, "h2", CA, T1.mac, at(world, "h1"))
        both = {(switch_uuid(vsid), CA, T1.mac) for vsid in (5001, 6001)}
        wait_for(lambda: reported(world, "h1") >= both, "both reported")


@pytest.mark.parametrize("vsid, guest, vlan", [
    (5001, "a3", 10), (5001, "a1", 10), (6001, "x3", 20)])
def test_a_question_for_an_unknown_address_reaches_a_trunk_with_the_tag(
        world, vsid, guest, vlan):
    with world.tap(guest) as other, world.tap("t1") as t1:
        other.send(arp_request(w.mac(guest), w.ca(guest), SPARE))
        question = t1.expect(lambda p: is_request(p, SPARE), "question")
        assert tag_of(question) == vlan
        assert question[ARP].hwsrc == w.mac(guest)
        t1.send(tagged(Ether(src=T1.mac, dst=w.mac(guest)) / ARP(
            op="is-at", hwsrc=T1.mac, psrc=SPARE, hwdst=w.mac(guest),
            pdst=w.ca(guest)), vlan))
        answer = other.expect(lambda p: is_arp_reply(p, SPARE), "answer")
        assert answer[ARP].hwsrc == T1.mac and not tag_of(answer)
        wait_until_known(world, "h1", SPARE, T1.mac, "here", vsid)


def test_the_switch_answers_a_trunk_with_the_tag(world):
    """Once both are known."""
    world.ping("t1", w.ca("a3"))
    wait_until_known(world, "h1", CA, T1.mac, "here")
    wait_until_known(world, "h1", w.ca("a3"), w.mac("a3"), at(world, "h2"))
    w.forget_cached(world.lab.host("h1"))
    with world.tap("t1") as t1, world.tap("a3") as a3:
        t1.send(tagged(arp_request(T1.mac, CA, w.ca("a3")), 10))
        answer = t1.expect(lambda p: is_arp_reply(p, w.ca("a3")), "answer")
        assert tag_of(answer) == 10
        assert (answer.dst, answer[ARP].hwsrc) == (T1.mac, w.mac("a3"))
        hears_nothing_of_t1(a3, "a3", w.GATEWAY_A)


def test_the_agent_speaks_for_a_trunk_in_its_vlan(world):
    """Other hosts learn what only this host's guests were told."""
    with world.tap("t1") as t1, world.tap("a1") as a1, \
            world.tap("b1") as b1:
        t1.send(tagged(Ether(src=T1.mac, dst=w.mac("a1")) / ARP(
            op="is-at", hwsrc=T1.mac, psrc=CA, hwdst=w.mac("a1"),
            pdst=w.ca("a1")), 10))
        wait_until_known(world, "h2", CA, T1.mac, at(world, "h1"))
        announced = a1.expect(lambda p: ARP in p and p.dst == BROADCAST
                              and p[ARP].psrc == CA, "announcement")
        assert not tag_of(announced)
        hears_nothing_of_t1(b1, "b1", w.GATEWAY_B)
        t1.send(tagged(arp_request(T1.mac, CA, w.GATEWAY_A), 10))
        heard = t1.until(lambda p: is_arp_reply(p, w.GATEWAY_A), "fence")
        assert not [p for p in heard if ARP in p and p.src == T1.mac]


def test_the_agent_asks_a_trunk_with_the_tag(world):
    """Its stack, which has the address, answers."""
    with world.tap("t1") as t1:
        t1.send(tagged(arp_request(T1.mac, "0.0.0.0", CA), 10))
        asked = t1.expect(lambda p: is_request(p, CA)
                          and p.src == w.ROUTER_MAC, "question")
        assert tag_of(asked) == 10
        assert (asked.dst, asked[ARP].psrc) == (T1.mac, w.GATEWAY_A)
        wait_until_known(world, "h1", CA, T1.mac, "here")


@pytest.mark.parametrize("source", ["b1", "b2"])
def test_the_router_finds_a_trunk(world, source):
    """Its stack answers the router's question; its answers to what then comes
    would leave by its own interface in the source's subnet."""
    with world.tap(source) as other, world.tap("t1") as t1:
        def send(seq):
            other.send(echo(w.mac(source), w.ROUTER_MAC, w.ca(source), CA,
                            seq=seq))

        send(1)
        question = t1.expect(lambda p: is_request(p, CA), "question")
        assert tag_of(question) == 10
        assert question.src == w.ROUTER_MAC
        for host, where in (("h1", "here"), ("h2", at(world, "h1"))):
            wait_until_known(world, host, CA, T1.mac, where)
        w.forget_cached(world.lab.host(w.BY_NAME[source].host))
        send(2)
        assert tag_of(t1.expect(lambda p: is_echo(p, seq=2), "echo")) == 10
