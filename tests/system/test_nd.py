# SPDX-License-Identifier: Apache-2.0
"""Neighbour discovery, over VXLAN and over NVGRE: what the switch answers, and
what guests may tell each other.  See world_ipv6.py for who has which
address."""

import ipaddress

import pytest
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_RA, ICMPv6ND_Redirect,
                                ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
                                IPv6)
from scapy.layers.l2 import Ether

from hnvlab import netns

import world as w
from waiting import until
from wire import Outer, is_tunnelled, uplink_tap
from world_ipv6 import (ALL_NODES, ALL_NODES_MAC, GATEWAY_A, GATEWAY_B,
                        ROUTER_LINK_LOCAL, advertise, assert_checksum, ca6,
                        description, fence, in_guest, is_advert, is_echo6,
                        is_solicit, link_local, nonce, policy, solicit)


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    return w.World(make_lab(description()), policy(request.param))


# Solicitations that the switch answers.


def assert_advert(packet, name, target, mac, router=False):
    """A solicited advertisement to guest 'name', byte by byte where scapy's
    idea of a field might differ from the RFC's."""
    assert (packet.src, packet.dst) == (mac, w.mac(name))
    ip, na = packet[IPv6], packet[ICMPv6ND_NA]
    assert (ip.src, ip.dst, ip.hlim) == (target, ca6(name), 255)
    raw = bytes(ip)[40:]
    assert raw[:2] == bytes([136, 0])
    assert raw[4:8] == bytes([0xe0 if router else 0x60, 0, 0, 0])
    assert raw[8:24] == ipaddress.IPv6Address(target).packed
    assert raw[24:] == bytes([2, 1]) + bytes.fromhex(mac.replace(":", ""))
    assert na.tgt == target
    assert_checksum(packet)


def test_a_known_ca_is_answered_by_the_switch(world):
    """Locally and remotely; neither owner nor underlay hears of it."""
    with world.tap("a1") as a1, world.tap("a2") as a2, \
            world.tap("a3") as a3, uplink_tap(world.lab, "h1") as uplink:
        for owner in ("a2", "a3"):
            a1.send(solicit("a1", ca6(owner)))
            reply = a1.expect(lambda p, o=owner: is_advert(p, ca6(o)),
                              "advertisement")
            assert_advert(reply, "a1", ca6(owner), w.mac(owner))
        for tap, owner in ((a2, "a2"), (a3, "a3")):
            before = fence(a1, tap, "a1", owner, 51)
            assert not [p for p in before if is_solicit(p, ca6(owner))]
        before = uplink.until(
            lambda p: is_tunnelled(p) and is_echo6(Outer(p).inner, 51),
            "the fence in a tunnel", outgoing=True)
        assert not [p for p in before if is_tunnelled(p)
                    and is_solicit(Outer(p).inner, ca6("a3"))]


@pytest.mark.parametrize("guest, gateway", [
    ("a1", GATEWAY_A), ("a1", ROUTER_LINK_LOCAL), ("a3", GATEWAY_A),
    ("b2", GATEWAY_B), ("b1", ROUTER_LINK_LOCAL)])
def test_the_gateway_is_the_router_on_every_host(world, guest, gateway):
    with world.tap(guest) as tap:
        tap.send(solicit(guest, gateway))
        reply = tap.expect(lambda p: is_advert(p, gateway), "advertisement")
        assert_advert(reply, guest, gateway, w.ROUTER_MAC, router=True)


@pytest.mark.parametrize("sll", [True, False])
@pytest.mark.parametrize("owner, target", [
    ("a3", ca6("a3")), (None, GATEWAY_A)])
def test_unreachability_detection_asks_the_owner_and_the_switch_answers(
        world, owner, target, sll):
    """RFC 4861 section 7.3.1.  A unicast question may lack its option; then
    so may its answer."""
    mac = w.mac(owner) if owner else w.ROUTER_MAC
    with world.tap("a1") as a1:
        a1.send(solicit("a1", target, dst=(target, mac), sll=sll))
        reply = a1.expect(lambda p: is_advert(p, target), "advertisement")
        if sll:
            assert_advert(reply, "a1", target, mac, router=not owner)
        else:
            assert (reply.src, reply[IPv6].dst) == (mac, ca6("a1"))
            assert reply[ICMPv6ND_NA].S == 1
            assert ICMPv6NDOptSrcLLAddr not in reply
            assert_checksum(reply)


def test_an_option_before_the_address_does_no_harm(world):
    with world.tap("a1") as a1:
        packet = solicit("a1", ca6("a3"), sll=False)
        packet /= nonce() / ICMPv6NDOptSrcLLAddr(lladdr=w.mac("a1"))
        a1.send(packet)
        reply = a1.expect(lambda p: is_advert(p, ca6("a3")), "advertisement")
        assert reply[ICMPv6NDOptDstLLAddr].lladdr == w.mac("a3")
        assert_checksum(reply)


@pytest.mark.parametrize("target", [
    "2001:db8:a:1::99", ca6("b1"), "2001:db8:ffff::1"])
def test_an_unknown_ca_gets_silence(world, target):
    with world.tap("a1") as a1, world.tap("a2") as a2, world.tap("a3") as a3:
        a1.send(solicit("a1", target), solicit("a1", ca6("a2")))
        before = a1.until(lambda p: is_advert(p, ca6("a2")), "fence")
        assert not [p for p in before if is_advert(p, target)]
        for tap, name in ((a2, "a2"), (a3, "a3")):
            before = fence(a1, tap, "a1", name, 52)
            assert not [p for p in before if is_solicit(p, target)]


def neighbour(world, name, address):
    """What 'ip' says of a guest's neighbour."""
    return in_guest(world, name, "ip", "-6", "neigh", "show", address)


def test_what_a_guests_own_stack_makes_of_it(world):
    """The neighbour is reachable, and still after it was asked again."""
    in_guest(world, "a1", "ip", "-6", "neigh", "flush", "all")
    world.ping("a1", ca6("a3"))
    with world.tap("a1") as a1:
        in_guest(world, "a1", "ip", "-6", "neigh", "change", ca6("a3"), "dev",
                 "eth0", "lladdr", w.mac("a3"), "nud", "probe")
        a1.expect(lambda p: is_advert(p, ca6("a3")), "answer to a probe")
    until(lambda: "REACHABLE" in neighbour(world, "a1", ca6("a3")),
          "a3 to be reachable")
    assert w.mac("a3") in neighbour(world, "a1", ca6("a3"))
    world.ping("a1", ca6("b2"))
    shown = neighbour(world, "a1", GATEWAY_A)
    assert w.ROUTER_MAC in shown and "router" in shown


# Duplicate addresses.


@pytest.mark.parametrize("options", [(), (nonce(),)])
@pytest.mark.parametrize("target, mac", [
    (ca6("a2"), w.mac("a2")), (ca6("a3"), w.mac("a3")),
    (GATEWAY_A, w.ROUTER_MAC), (ROUTER_LINK_LOCAL, w.ROUTER_MAC)])
def test_who_wants_an_address_that_somebody_has_is_told(world, target, mac,
                                                        options):
    """RFC 4862 section 5.4; RFC 7527 adds a nonce."""
    with world.tap("a1") as a1:
        a1.send(solicit("a1", target, src="::", options=options))
        reply = a1.expect(lambda p: is_advert(p, target), "advertisement")
        assert (reply.src, reply.dst) == (mac, ALL_NODES_MAC)
        ip, na = reply[IPv6], reply[ICMPv6ND_NA]
        assert (ip.src, ip.dst, ip.hlim) == (target, ALL_NODES, 255)
        assert (na.S, na.O) == (0, 1)
        assert na.R == (mac == w.ROUTER_MAC)
        assert_checksum(reply)


@pytest.mark.parametrize("src", ["::", ca6("a1")])
def test_nobody_hears_itself_when_asking_for_its_own_address(world, src):
    with world.tap("a1") as a1:
        own = [ca6("a1"), link_local(w.mac("a1"))]
        a1.send(solicit("a1", own[0], src=src, options=[nonce()]),
                solicit("a1", own[1], src="::"),
                solicit("a1", ca6("a2")))
        before = a1.until(lambda p: is_advert(p, ca6("a2")), "fence")
        assert not [p for p in before for x in own if is_advert(p, x)]


def addresses(world, name):
    return in_guest(world, name, "ip", "-6", "-o", "addr", "show", "dev",
                    "eth0")


@pytest.fixture(name="careful")
def _careful(world):
    """a1 asks before it takes an address."""
    def dad(number):
        for link in ("eth0", "all"):
            netns.sysctl(world.lab.guest("a1").namespace, {
                f"net/ipv6/conf/{link}/accept_dad": number,
                f"net/ipv6/conf/{link}/dad_transmits": number})
    dad(1)
    yield world
    dad(0)


def is_duplicate(world, address):
    """What a1 finds out about an address that it wants."""
    def line():
        return [x for x in addresses(world, "a1").splitlines()
                if f" {address}/" in x][0]

    until(lambda: "dadfailed" in line() or "tentative" not in line(),
          f"{address} to be tested")
    return "dadfailed" in line()


@pytest.mark.parametrize("address, taken", [
    (ca6("a3"), True), (GATEWAY_A, True), ("2001:db8:a:1::77", False)])
def test_a_guests_own_stack_finds_out(careful, address, taken):
    in_guest(careful, "a1", "ip", "-6", "addr", "add", f"{address}/64",
             "dev", "eth0")
    try:
        assert is_duplicate(careful, address) == taken
    finally:
        in_guest(careful, "a1", "ip", "-6", "addr", "del", f"{address}/64",
                 "dev", "eth0")


def test_a_guests_own_stack_keeps_its_own_address(careful):
    for address in (ca6("a1"), link_local(w.mac("a1"))):
        in_guest(careful, "a1", "ip", "-6", "addr", "del", f"{address}/64",
                 "dev", "eth0")
        in_guest(careful, "a1", "ip", "-6", "addr", "add", f"{address}/64",
                 "dev", "eth0")
        assert not is_duplicate(careful, address)
    # The kernel takes the route along with the address.
    in_guest(careful, "a1", "ip", "-6", "route", "replace", "default", "via",
             GATEWAY_A)
    careful.ping("a1", ca6("a3"))


# Link-local addresses of guests.


@pytest.mark.parametrize("to", ["a2", "a3"])
def test_guests_of_a_subnet_reach_each_other_by_link_local_address(world, to):
    in_guest(world, "a1", "ip", "-6", "neigh", "flush", "all")
    world.ping("a1", f"{link_local(w.mac(to))}%eth0", 2)


def test_a_link_local_address_is_asked_for_once_and_answered_once(world):
    target = link_local(w.mac("a4"))
    names = ["a1", "a2", "a3", "a4", "b1", "b2", "x1", "x3"]
    taps = {name: world.tap(name) for name in names}
    try:
        taps["a1"].send(solicit("a1", target, src=link_local(w.mac("a1"))))
        for name in ("a2", "a3", "a4"):
            taps[name].expect(lambda p: is_solicit(p, target), "question")
        reply = taps["a1"].expect(lambda p: is_advert(p, target), "answer")
        assert reply.src == w.mac("a4")
        assert reply[ICMPv6NDOptDstLLAddr].lladdr == w.mac("a4")
        fences = [("a1", "a2"), ("a1", "a3"), ("a1", "a4"), ("a1", "b1"),
                  ("a1", "b2"), ("x3", "x1"), ("x1", "x3"), ("a4", "a1")]
        for source, to in fences:
            router = w.ROUTER_MAC if to.startswith("b") else None
            before = fence(taps[source], taps[to], source, to, 71, router)
            again = [p.summary() for p in before
                     if is_solicit(p, target) or is_advert(p, target)]
            assert not again, f"{to}: {again}"
    finally:
        for tap in taps.values():
            tap.close()


def test_a_guests_word_about_its_own_address_is_passed_on(world):
    """An unsolicited advertisement, of a CA and of a link-local address."""
    with world.tap("a1") as a1, world.tap("a2") as a2, world.tap("a3") as a3:
        for target in (ca6("a1"), link_local(w.mac("a1"))):
            a1.send(advertise("a1", target))
            for tap in (a2, a3):
                tap.expect(lambda p, t=target: is_advert(p, t), "word")
        a1.send(advertise("a1", ca6("a1"), dst=(ca6("a3"), w.mac("a3"))))
        a3.expect(lambda p: is_advert(p, ca6("a1")), "word to a3 alone")
        a1.send(solicit("a1", link_local(w.mac("a3")), src=ca6("a1")))
        a3.expect(lambda p: is_solicit(p, link_local(w.mac("a3"))),
                  "question from a CA")


# Lies.

OTHERS_MAC = "00:15:5d:ff:ff:ff"
A3_LINK_LOCAL = link_local(w.mac("a3"))
LIES = {
    "another's address": advertise("a1", ca6("a2")),
    "another's address, no option": advertise("a1", ca6("a2"), tll=False),
    "the gateway's address": advertise("a1", GATEWAY_A),
    "the router's link-local address": advertise("a1", ROUTER_LINK_LOCAL),
    "an address of nobody": advertise("a1", "2001:db8:a:1::99"),
    "another's MAC": advertise("a1", ca6("a1"), tll=OTHERS_MAC),
    "another's MAC, link-local": advertise("a1", link_local(w.mac("a1")),
                                           tll=OTHERS_MAC),
    "to one guest": advertise("a1", ca6("a2"),
                              dst=(ca6("a3"), w.mac("a3"))),
    "a question with another's MAC": solicit(
        "a1", A3_LINK_LOCAL, src=link_local(w.mac("a1")), sll=OTHERS_MAC),
    "a question from another's address": solicit(
        "a1", A3_LINK_LOCAL, src=ca6("a2")),
    "a question from the router": solicit(
        "a1", A3_LINK_LOCAL, src=ROUTER_LINK_LOCAL),
    "a router": Ether(src=w.mac("a1"), dst=ALL_NODES_MAC) / IPv6(
        src=link_local(w.mac("a1")), dst=ALL_NODES, hlim=255) / ICMPv6ND_RA(),
    "a redirection": Ether(src=w.mac("a1"), dst=w.mac("a3")) / IPv6(
        src=ROUTER_LINK_LOCAL, dst=ca6("a3"), hlim=255) / ICMPv6ND_Redirect(
            tgt=link_local(w.mac("a1")), dst=ca6("b1")),
    "from far away": solicit("a1", A3_LINK_LOCAL,
                             src=link_local(w.mac("a1"))),
}
LIES["from far away"][IPv6].hlim = 64


@pytest.mark.parametrize("lie", LIES)
def test_spoofed_discovery_reaches_nobody(world, lie):
    packet = LIES[lie]
    with world.tap("a1") as a1, world.tap("a2") as a2, world.tap("a3") as a3:
        a1.send(packet)
        for tap, name in ((a2, "a2"), (a3, "a3")):
            before = fence(a1, tap, "a1", name, 81)
            assert bytes(packet) not in [bytes(p) for p in before]


def test_a_question_with_anothers_mac_gets_silence(world):
    with world.tap("a1") as a1:
        a1.send(solicit("a1", ca6("a2"), sll=OTHERS_MAC),
                solicit("a1", ca6("a3")))
        before = a1.until(lambda p: is_advert(p, ca6("a3")), "fence")
        assert not [p for p in before if is_advert(p, ca6("a2"))]
