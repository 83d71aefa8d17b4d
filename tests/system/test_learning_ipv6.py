# SPDX-License-Identifier: Apache-2.0
"""Learning by neighbour discovery.  See learning.py and world_ipv6.py for who
is where."""

import dataclasses

import pytest
from scapy.layers.inet6 import IPv6

import world as w
from learning import (
    at, counter, learned, learning_policy, report_of, reported, start_over,
    wait_for)
from wire import Outer, is_tunnelled, uplink_tap
from world_ipv6 import (
    ALL_NODES, GATEWAY_A, advertise, ca6, description, fence, in_guest,
    is_advert, is_solicit, policy, solicit)

SPARE = "2001:db8:a:1::77"      # An address that no guest has at first.


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def lab_world(request, make_lab):
    return w.World(make_lab(description()),
                   learning_policy(plain=policy(request.param)))


@pytest.fixture
def world(lab_world):
    """A world for each encapsulation, where nothing is learned yet."""
    start_over(lab_world, learning_policy(
        plain=policy(lab_world.policy.encap)))
    return lab_world


def told(world, host, ca):
    return learned(world, host).get(ca)


def set_address(world, guest, change, address):
    in_guest(world, guest, "ip", "address", change, f"{address}/64", "dev",
             "eth0", *(["nodad"] if change == "add" else []))


def know_each_other(world, *guests):
    for other in guests[1:]:
        world.ping(guests[0], ca6(other))
    for host in {world.lab.guest(g).vm.host for g in guests}:
        wait_for(lambda h=host: all(ca6(g) in learned(world, h)
                                    for g in guests), f"known on {host}")


def test_from_nothing_known_to_both_sides_knowing_each_other(world):
    world.ping("a1", ca6("a3"), 3)
    for host, mine, other, theirs in (("h1", "a1", "h2", "a3"),
                                      ("h2", "a3", "h1", "a1")):
        wait_for(lambda: told(world, host, ca6(mine))
                 == (w.mac(mine), "here"), f"own known on {host}")
        wait_for(lambda: told(world, host, ca6(theirs))
                 == (w.mac(theirs), at(world, other)), f"known on {host}")
        wait_for(lambda: reported(world, host).get(ca6(mine))
                 == report_of(world, mine, host, ca6(mine))[ca6(mine)],
                 f"reported on {host}")


def test_a_learned_address_is_answered_by_the_switch(world):
    know_each_other(world, "a1", "a3")
    with world.tap("a1") as a1, world.tap("a3") as a3:
        a1.send(solicit("a1", ca6("a3")))
        a1.expect(lambda p: is_advert(p, ca6("a3")), "answer")
        before = fence(a1, a3, "a1", "a3", 61)
        assert not [p for p in before if is_solicit(p, ca6("a3"))
                    and p[IPv6].src == ca6("a1")]


def test_a_question_for_an_unknown_address_goes_to_every_pa(world):
    with world.tap("a1") as a1, world.tap("a2") as a2, \
            uplink_tap(world.lab, "h1") as uplink:
        a1.send(solicit("a1", SPARE))
        outers = [Outer(uplink.expect(
            lambda p: is_tunnelled(p) and is_solicit(Outer(p).inner, SPARE),
            "question", outgoing=True)) for _ in range(2)]
        assert {o.dst for o in outers} == {w.PAS["h2"], w.PAS["h3"]}
        a2.expect(lambda p: is_solicit(p, SPARE), "question")
    for host in ("h2", "h3"):
        wait_for(lambda h=host: told(world, h, ca6("a1"))
                 == (w.mac("a1"), at(world, "h1")), f"known on {host}")


def test_the_router_finds_an_unknown_address(world):
    world.ping_soon("b1", ca6("a3"))
    world.ping_soon("b2", ca6("a2"))


def test_a_guest_that_changes_its_address(world):
    know_each_other(world, "a1", "a3")
    set_address(world, "a3", "del", ca6("a3"))
    set_address(world, "a3", "add", SPARE)
    try:
        world.ping("a3", ca6("a1"))
        for host, where in (("h2", "here"), ("h1", at(world, "h2"))):
            wait_for(lambda h=host: told(world, h, SPARE)
                     == (w.mac("a3"), where), f"new address on {host}")
            wait_for(lambda h=host: not told(world, h, ca6("a3")),
                     f"old address gone on {host}")
        assert SPARE in reported(world, "h2")
        assert ca6("a3") not in reported(world, "h2")
    finally:
        set_address(world, "a3", "del", SPARE)
        set_address(world, "a3", "add", ca6("a3"))


@pytest.mark.parametrize("taker, host", [("a2", "h1"), ("a4", "h3")])
def test_an_address_moves_with_an_unsolicited_advertisement(world, taker,
                                                            host):
    with world.tap("a3") as a3, world.tap(taker) as tap, \
            world.tap("a1") as a1:
        a3.send(advertise("a3", SPARE))
        for h in world.lab.hosts:
            wait_for(lambda h=h: told(world, h, SPARE), f"known on {h}")
        tap.send(advertise(taker, SPARE))
        for h in world.lab.hosts:
            wait_for(lambda h=h: told(world, h, SPARE) == (
                w.mac(taker), "here" if h == host else at(world, host)),
                f"moved on {h}", timeout=3)
        wait_for(lambda: SPARE not in reported(world, "h2"), "not reported")
        wait_for(lambda: SPARE in reported(world, host), "reported")
        a1.expect(lambda p: is_advert(p, SPARE) and p.src == w.mac(taker),
                  "advertisement")


def test_an_address_in_use_is_defended_against_a_probe(world):
    know_each_other(world, "a1", "a3")
    with world.tap("a1") as a1, world.tap("a3") as a3:
        a1.send(solicit("a1", ca6("a3"), src="::"))
        a3.expect(lambda p: is_solicit(p, ca6("a3"))
                  and p[IPv6].src == "::", "probe")
        defence = a1.expect(lambda p: is_advert(p, ca6("a3")), "defence")
        assert defence[IPv6].dst == ALL_NODES
    assert told(world, "h1", ca6("a3")) == (w.mac("a3"), at(world, "h2"))


def test_an_address_is_known_after_duplicate_address_detection(world):
    set_address(world, "a1", "add", SPARE)
    try:
        with world.tap("a1") as a1:
            a1.send(solicit("a1", SPARE, src="::"))
        for host, where in (("h1", "here"), ("h2", at(world, "h1"))):
            wait_for(lambda h=host: told(world, h, SPARE)
                     == (w.mac("a1"), where), f"known on {host}")
    finally:
        set_address(world, "a1", "del", SPARE)


def test_nobody_is_told_what_is_not_true(world):
    """Of the gateway, and of addresses that the policy knows."""
    world.apply(dataclasses.replace(world.policy, known=["a3"]))
    with world.tap("a1") as a1, world.tap("a2") as a2:
        a1.send(advertise("a1", GATEWAY_A))
        a1.send(advertise("a1", ca6("a3")))
        a1.send(solicit("a1", "2001:db8:a:1::99", src=GATEWAY_A))
        a1.send(advertise("a1", SPARE))
        heard = a2.until(lambda p: is_advert(p, SPARE), "fence")
        assert not [p for p in heard if p.src == w.mac("a1")
                    and (is_advert(p) or is_solicit(p))]
    assert counter(world, "h1", "packets, policy says otherwise")
    assert not told(world, "h1", GATEWAY_A)


def test_without_learning_there_is_silence(world):
    world.apply(world.policy.with_config(learning="false"))
    with world.tap("a1") as a1, world.tap("a2") as a2:
        a1.send(solicit("a1", ca6("a3")))
        a1.send(advertise("a1", SPARE))
        a1.send(solicit("a1", "fe80::77", src="::"))
        heard = a2.until(lambda p: is_solicit(p, "fe80::77"), "fence")
        assert not [p for p in heard if p.src == w.mac("a1")
                    and (is_advert(p) or is_solicit(p))]
    assert not learned(world, "h1") and not reported(world, "h1")
