# SPDX-License-Identifier: Apache-2.0
"""Learning: guests whose addresses no policy tells.  See learning.py for who
is where."""

import dataclasses

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

import world as w
from learning import (
    SPARE, VSID, at, counter, diagnostics, gratuitous, is_request,
    know_each_other, learned, learning_policy, probe, report_of, reported,
    set_address, start_over, wait_for)
from wire import (Outer, arp_request, echo, is_arp_reply, is_echo,
                  is_tunnelled, uplink_tap)


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def lab_world(request, make_lab):
    return w.World(make_lab(w.description()), learning_policy(request.param))


@pytest.fixture
def world(lab_world):
    """A world for each encapsulation, where nothing is learned yet."""
    start_over(lab_world, learning_policy(lab_world.policy.encap))
    return lab_world


@pytest.fixture
def spare_on_a3(world):
    """a3 has the spare address, too, for the time of a test."""
    set_address(world, "a3", None, SPARE)
    yield world
    set_address(world, "a3", SPARE, None)


def told(world, host, ca):
    """Where a guest is according to this host; None if it does not know."""
    return learned(world, host).get(ca)


def test_from_nothing_known_to_both_sides_knowing_each_other(world):
    assert not learned(world, "h1") and not learned(world, "h2")
    assert not reported(world, "h1") and not reported(world, "h2")
    world.ping("a1", w.ca("a3"), 3)
    for host, mine, other, theirs in (("h1", "a1", "h2", "a3"),
                                      ("h2", "a3", "h1", "a1")):
        wait_for(lambda: learned(world, host) == {
            w.ca(mine): (w.mac(mine), "here"),
            w.ca(theirs): (w.mac(theirs), at(world, other))},
            f"both known on {host}")
        wait_for(lambda: reported(world, host)
                 == report_of(world, mine, host), f"reported on {host}")


def test_two_unknown_guests_on_one_host(world):
    world.ping("a1", w.ca("a2"), 3)
    wait_for(lambda: learned(world, "h1") == {
        w.ca(g): (w.mac(g), "here") for g in ("a1", "a2")}, "both known")


def test_a_question_for_an_unknown_address_goes_to_every_pa(world):
    """As the guest asked it, once; other guests of its host hear it, too; the
    asker's address is known everywhere from then on."""
    with world.tap("a1") as a1, world.tap("a2") as a2, \
            world.tap("b1") as b1, uplink_tap(world.lab, "h1") as uplink:
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), SPARE))
        outers = [Outer(uplink.expect(
            lambda p: is_tunnelled(p)
            and is_request(Outer(p).inner, SPARE), "question",
            outgoing=True)) for _ in range(2)]
        assert {o.dst for o in outers} == {w.PAS["h2"], w.PAS["h3"]}
        for o in outers:
            assert (o.vni if o.kind == "vxlan" else o.vsid) == VSID
            assert o.inner[ARP].hwsrc == w.mac("a1")
        a2.expect(lambda p: is_request(p, SPARE), "question")
        for host in ("h2", "h3"):
            wait_for(lambda h=host: told(world, h, w.ca("a1"))
                     == (w.mac("a1"), at(world, "h1")), f"known on {host}")

        # Nobody of another subnet has heard of it, nor has the asker.
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), w.GATEWAY_A))
        heard = a1.until(lambda p: is_arp_reply(p, w.GATEWAY_A), "fence")
        assert not [p for p in heard if is_request(p, SPARE)]
        b1.send(arp_request(w.mac("b1"), w.ca("b1"), w.GATEWAY_B))
        heard = b1.until(lambda p: is_arp_reply(p, w.GATEWAY_B), "fence")
        assert not [p for p in heard if ARP in p]


def test_all_are_asked_where_there_is_to_be_a_copy_per_guest(world):
    """The policy's guests are not all, so there is a copy per PA."""
    start_over(world, learning_policy(world.policy.encap,
                                      replication="per_vm"))
    (text,) = diagnostics(world, "h1")
    assert text.startswith('other_config:replication "per_vm" is not '
                           'possible with other_config:learning')
    with world.tap("a1") as a1, world.tap("a2") as a2, \
            uplink_tap(world.lab, "h1") as uplink:
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), SPARE))
        outers = [Outer(uplink.expect(
            lambda p: is_tunnelled(p)
            and is_request(Outer(p).inner, SPARE), "question",
            outgoing=True)) for _ in range(2)]
        assert {o.dst for o in outers} == {w.PAS["h2"], w.PAS["h3"]}
        a2.expect(lambda p: is_request(p, SPARE), "question")
    world.ping("a1", w.ca("a3"), 3)
    for host, other, where in (("h1", "a3", "h2"), ("h2", "a1", "h1")):
        wait_for(lambda h=host, o=other, p=where: told(world, h, w.ca(o))
                 == (w.mac(o), at(world, p)), f"{other} known on {host}")


def test_a_learned_address_is_answered_by_the_switch(world):
    """Its owner hears nothing of the question, nor does the underlay."""
    know_each_other(world, "a1", "a3")
    with world.tap("a1") as a1, world.tap("a3") as a3:
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), w.ca("a3")))
        reply = a1.expect(lambda p: is_arp_reply(p, w.ca("a3")), "answer")
        assert (reply.src, reply[ARP].hwsrc) == (w.mac("a3"), w.mac("a3"))
        a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                     seq=5))
        before = a3.until(lambda p: is_echo(p, seq=5), "fence")
        assert not [p for p in before if is_request(p, w.ca("a3"),
                                                    w.ca("a1"))]


def test_a_packet_to_an_unknown_mac_arrives(world):
    """At its owner only, and once."""
    with world.tap("a1") as a1, world.tap("a2") as a2, \
            world.tap("a3") as a3:
        for seq in (1, 2):
            a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                         seq=seq))
            before = a3.until(lambda p: is_echo(p, seq=seq), f"packet {seq}")
            assert not [p for p in before if is_echo(p, seq=1)]
        a1.send(gratuitous("a1", w.ca("a1")))
        before = a2.until(lambda p: is_request(p, w.ca("a1")), "fence")
        assert len([p for p in before if is_echo(p)]) <= 2


def test_the_router_finds_an_unknown_address(world):
    """From a subnet that does not learn, on this host and on another."""
    world.ping_soon("b1", w.ca("a3"))
    world.ping_soon("b2", w.ca("a2"))
    world.ping("b1", w.ca("a3"))


def test_a_guest_that_changes_its_address(world):
    know_each_other(world, "a1", "a3")
    set_address(world, "a3", w.ca("a3"), SPARE)
    try:
        world.ping("a3", w.ca("a1"))
        for host, where in (("h2", "here"), ("h1", at(world, "h2"))):
            wait_for(lambda h=host: told(world, h, SPARE)
                     == (w.mac("a3"), where), f"new address on {host}")
            wait_for(lambda h=host: not told(world, h, w.ca("a3")),
                     f"old address gone on {host}")
        assert reported(world, "h2") == report_of(world, "a3", "h2", SPARE)
        world.ping("a1", SPARE)
    finally:
        set_address(world, "a3", SPARE, w.ca("a3"))


def test_a_second_address_leaves_the_first_alone(spare_on_a3):
    world = spare_on_a3
    know_each_other(world, "a1", "a3")
    world.ping("a1", SPARE)
    both = {w.ca("a3"), SPARE}
    wait_for(lambda: set(reported(world, "h2")) == both, "both reported")
    # The first is doubted for a while, and asked for.
    wait_for(lambda: counter(world, "h2", "packets, learned or confirmed")
             and re_announced(world), "doubts are over")
    assert set(reported(world, "h2")) == both
    assert both <= set(learned(world, "h1"))


def re_announced(world):
    """a3's guest was asked and has answered."""
    text = world.on_host("h2", "ovs-appctl", "-t", "hnv-agent",
                         "hnv/learned")
    return "sent: 0 probes" not in text


@pytest.mark.parametrize("op", ["who-has", "is-at"])
@pytest.mark.parametrize("taker, host", [("a2", "h1"), ("a4", "h3")])
def test_an_address_moves_with_a_gratuitous_arp(spare_on_a3, taker, host, op):
    """From a3 to a guest of another host; all hosts know at once."""
    world = spare_on_a3
    world.ping("a1", SPARE)
    for h in ("h1", "h2"):
        wait_for(lambda h=h: told(world, h, SPARE), f"known on {h}")
    set_address(world, "a3", SPARE, None)
    with world.tap(taker) as tap, world.tap("a1") as a1:
        tap.send(gratuitous(taker, SPARE, op))
        for h in world.lab.hosts:
            wait_for(lambda h=h: told(world, h, SPARE) == (
                w.mac(taker), "here" if h == host else at(world, host)),
                f"moved on {h}", timeout=3)
        wait_for(lambda: SPARE not in reported(world, "h2"), "not reported")
        wait_for(lambda: reported(world, host).get(SPARE)
                 == report_of(world, taker, host, SPARE)[SPARE], "reported")
        assert not [p for p in tap.packets(0.2)
                    if is_arp_reply(p, SPARE)], "nobody contradicts"
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), SPARE))
        reply = a1.expect(lambda p: is_arp_reply(p, SPARE), "answer")
        assert reply[ARP].hwsrc == w.mac(taker)
    set_address(world, "a3", None, SPARE)


def test_an_address_moves_to_a_guest_of_the_same_host(world):
    with world.tap("a1") as a1, world.tap("a2") as a2:
        a1.send(gratuitous("a1", SPARE))
        wait_for(lambda: told(world, "h1", SPARE) == (w.mac("a1"), "here"),
                 "known")
        a2.send(gratuitous("a2", SPARE))
        wait_for(lambda: told(world, "h1", SPARE) == (w.mac("a2"), "here"),
                 "moved")
        wait_for(lambda: told(world, "h2", SPARE)
                 == (w.mac("a2"), at(world, "h1")), "moved on h2")
        wait_for(lambda: reported(world, "h1").get(SPARE)
                 == report_of(world, "a2", "h1", SPARE)[SPARE], "reported")


def test_an_address_in_use_is_defended_against_a_probe(world):
    """By its owner, who hears the question although the switch knows him."""
    know_each_other(world, "a1", "a3")
    with world.tap("a1") as a1, world.tap("a3") as a3:
        a1.send(probe("a1", w.ca("a3")))
        a3.expect(lambda p: is_request(p, w.ca("a3"), "0.0.0.0"), "probe")
        reply = a1.expect(lambda p: is_arp_reply(p, w.ca("a3")), "defence")
        assert reply[ARP].hwsrc == w.mac("a3")
    assert told(world, "h1", w.ca("a3")) == (w.mac("a3"), at(world, "h2"))


def test_an_address_is_known_after_an_arp_probe(world):
    """The guest says no more than that it is about to take it."""
    set_address(world, "a1", None, SPARE)
    try:
        with world.tap("a1") as a1:
            a1.send(probe("a1", SPARE))
        for host, where in (("h1", "here"), ("h2", at(world, "h1"))):
            wait_for(lambda h=host: told(world, h, SPARE)
                     == (w.mac("a1"), where), f"known on {host}")
    finally:
        set_address(world, "a1", SPARE, None)


def test_a_probe_alone_is_no_claim(world):
    with world.tap("a1") as a1:
        a1.send(probe("a1", "10.1.1.78"))
        wait_for(lambda: counter(world, "h1", "packets, learned or "
                                 "confirmed"), "seen")
    assert not told(world, "h1", "10.1.1.78")
    assert "10.1.1.78" not in reported(world, "h1")


def dhcp_ack(server, client, ca):
    return (Ether(src=w.mac(server), dst=w.mac(client))
            / IP(src=w.ca(server), dst=ca) / UDP(sport=67, dport=68)
            / BOOTP(op=2, yiaddr=ca, siaddr=w.ca(server),
                    chaddr=bytes.fromhex(w.mac(client).replace(":", "")))
            / DHCP(options=[("message-type", "ack"), "end"]))


@pytest.mark.parametrize("server", ["a2", "a3"])
def test_an_address_is_known_after_a_dhcp_ack(world, server):
    """Seen by the client's host, wherever the server is."""
    set_address(world, "a1", None, SPARE)
    try:
        with world.tap(server) as tap:
            tap.send(dhcp_ack(server, "a1", SPARE))
        for host, where in (("h1", "here"), ("h2", at(world, "h1"))):
            wait_for(lambda h=host: told(world, h, SPARE)
                     == (w.mac("a1"), where), f"known on {host}")
    finally:
        set_address(world, "a1", SPARE, None)


def test_the_policy_wins(world):
    """What it says of an address, and of a MAC, is not learned to be
    otherwise; when it says nothing any more, it is."""
    policy = dataclasses.replace(world.policy, known=["a3"])
    know_each_other(world, "a1", "a3")
    world.apply(policy)
    with world.tap("a1") as a1, world.tap("a2") as a2:
        a2.send(gratuitous("a2", w.ca("a3")))
        a2.send(gratuitous("a2", SPARE))
        wait_for(lambda: told(world, "h1", SPARE), "fence")
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), w.ca("a3")))
        reply = a1.expect(lambda p: is_arp_reply(p, w.ca("a3")), "answer")
        assert reply[ARP].hwsrc == w.mac("a3")
    # The policy agrees with what was learned: that is there again after it.
    assert told(world, "h1", w.ca("a3"))
    assert reported(world, "h2") == report_of(world, "a3", "h2")
    world.apply(dataclasses.replace(policy, known=[]))
    world.ping("a1", w.ca("a3"))
    # Now it contradicts.
    other = w.vm("a5", "h3", VSID, "10.1.1.15", "00:15:5d:00:01:05")
    world.apply(dataclasses.replace(
        policy.with_vm(dataclasses.replace(other, cas=[w.ca("a3")])),
        known=["a5"]))
    for host in ("h1", "h2"):
        wait_for(lambda h=host: not told(world, h, w.ca("a3")),
                 f"forgotten on {host}")
    assert not reported(world, "h2")
    world.apply(policy)


def test_a_copied_report_is_permanent(world):
    """A controller copies what h2 reports to the other hosts."""
    know_each_other(world, "a1", "a3")
    wait_for(lambda: reported(world, "h2"), "reported")
    world.apply(dataclasses.replace(world.policy, known=["a1", "a3"]))
    assert reported(world, "h2") == report_of(world, "a3", "h2")
    set_address(world, "a3", w.ca("a3"), None)
    try:
        world.apply(world.policy.with_config(learning="false"))
        with world.tap("a1") as a1:
            a1.send(arp_request(w.mac("a1"), w.ca("a1"), w.ca("a3")))
            reply = a1.expect(lambda p: is_arp_reply(p, w.ca("a3")),
                              "answer")
            assert reply[ARP].hwsrc == w.mac("a3")
    finally:
        set_address(world, "a3", None, w.ca("a3"))


def test_learning_disabled(world):
    """A guest with such a mapping gets no other address; one with a default
    mapping does."""
    vms = [dataclasses.replace(v, mapping_type="learning_disabled")
           if v.name == "a1" else v for v in world.policy.vms]
    world.apply(dataclasses.replace(world.policy, vms=vms,
                                    known=["a1", "a2"]))
    with world.tap("a1") as a1, world.tap("a2") as a2:
        a1.send(gratuitous("a1", SPARE))
        wait_for(lambda: counter(world, "h1", "packets, learning_disabled"),
                 "refused")
        a2.send(gratuitous("a2", "10.1.1.78"))
        wait_for(lambda: told(world, "h1", "10.1.1.78")
                 == (w.mac("a2"), "here"), "known")
    assert not told(world, "h1", SPARE) and not told(world, "h2", SPARE)
    world.apply(dataclasses.replace(world.policy, vms=w.VMS, known=[]))


def test_without_learning_there_is_silence(world):
    world.apply(dataclasses.replace(
        world.policy.with_config(learning="false"), known=["a1"]))
    with world.tap("a1") as a1, world.tap("a2") as a2, \
            uplink_tap(world.lab, "h1") as uplink:
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), w.ca("a3")))
        a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3")))
        a1.send(gratuitous("a1", SPARE, "is-at"))
        a1.send(gratuitous("a1", w.ca("a1"), "is-at"))
        heard = a2.until(lambda p: is_arp_reply(p, w.ca("a1")), "broadcast")
        assert not [p for p in heard if p.src == w.mac("a1")]
        left = Outer(uplink.expect(is_tunnelled, "broadcast", outgoing=True))
        assert is_arp_reply(left.inner, w.ca("a1"))
    assert not learned(world, "h1") and not reported(world, "h1")


def test_nonsense_is_not_learned(world):
    """Addresses that are no guest's, MACs that are not the sender's.  Nor do
    others hear of it."""
    before = counter(world, "h1", "packets, not a guest's address")
    with world.tap("a1") as a1, world.tap("a2") as a2:
        lie = gratuitous("a1", SPARE, "is-at")
        lie[ARP].hwsrc = w.mac("a3")
        a1.send(lie)
        for ca in (w.GATEWAY_A, "10.1.2.12", "192.0.2.1"):
            a1.send(gratuitous("a1", ca, "is-at"))
        a1.send(gratuitous("a1", "10.1.1.255", "is-at"))
        heard = a2.until(lambda p: is_arp_reply(p, "10.1.1.255"), "fence")
        assert not [p for p in heard if p.src == w.mac("a1")]
    wait_for(lambda: counter(world, "h1", "packets, not a guest's address")
             == before + 1, "refused")
    assert not [ca for ca in learned(world, "h1") if ca != w.ca("a1")]


def test_another_host_cannot_speak_for_a_guest_here(world):
    """Not even if that was only learned; but the address may move there."""
    know_each_other(world, "a1", "a3")
    with world.tap("a4") as a4, world.tap("a3") as a3:
        a4.send(gratuitous("a4", SPARE))
        wait_for(lambda: told(world, "h2", SPARE), "known")
        a4.send(echo(w.mac("a4"), w.mac("a3"), w.ca("a3"), w.ca("a3"),
                     seq=31))
        a4.send(echo(w.mac("a4"), w.mac("a3"), SPARE, w.ca("a3"), seq=32))
        before = a3.until(lambda p: is_echo(p, seq=32), "fence")
        assert not [p for p in before if is_echo(p, seq=31)]
