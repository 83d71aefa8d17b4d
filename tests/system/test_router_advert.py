# SPDX-License-Identifier: Apache-2.0
"""Router advertisements, over VXLAN and over NVGRE.  See world_ipv6.py for who
has which address; a1 has none to begin with, and is in subnet 5001, like a2,
a3 and a4."""

import dataclasses

import pytest
from scapy.layers.inet6 import (ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptMTU,
                                ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr,
                                IPv6)
from scapy.layers.l2 import Ether

from hnvlab import netns, policy as lab_policy

import world as w
from waiting import until
from wire import Outer, is_tunnelled, uplink_tap
from world_ipv6 import (ALL_NODES, ALL_NODES_MAC, NETWORKS, ROUTER_LINK_LOCAL,
                        VMS, assert_checksum, ca6, description, fence,
                        in_guest, link_local, policy)

PREFIX = "2001:db8:a:1::"
OWN = PREFIX[:-1] + link_local(w.mac("a1"))[len("fe80::"):]


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    """In a1's policy is the address that it will make of its prefix."""
    d = description()
    for vm in d["vms"]:
        if vm["name"] == "a1":
            vm["ip"], vm["gateway"] = vm["ip"][:1], vm["gateway"][:1]
    vms = [dataclasses.replace(vm, cas=[vm.cas[0], OWN])
           if vm.name == "a1" else vm for vm in VMS]
    return w.World(make_lab(d), policy(request.param, vms=vms))


def ask(name, src=None, hlim=255, sll=True):
    src = link_local(w.mac(name)) if src is None else src
    packet = (Ether(src=w.mac(name), dst="33:33:00:00:00:02")
              / IPv6(src=src, dst="ff02::2", hlim=hlim) / ICMPv6ND_RS())
    if sll:
        packet /= ICMPv6NDOptSrcLLAddr(lladdr=w.mac(name))
    return packet


def is_advert(packet):
    return ICMPv6ND_RA in packet


def answer(world, name, packet=None):
    with world.tap(name) as tap:
        tap.send(packet or ask(name))
        return tap.expect(is_advert, "router advertisement")


def set_config(world, host, vsid, **config):
    world.transact(host, lab_policy.update(
        "Logical_Switch", lab_policy.switch_uuid(vsid),
        {"other_config": ["map", [list(p) for p in config.items()]]}))


def diagnostics(world, host):
    return [row["text"] for row in world.rows(host, "Diagnostic", ["text"])]


@pytest.mark.parametrize("name, prefix", [
    ("a2", PREFIX), ("a3", PREFIX), ("b2", "2001:db8:a:2::")])
def test_who_asks_for_a_router_is_told_at_once(world, name, prefix):
    got = answer(world, name)
    assert (got.src, got.dst) == (w.ROUTER_MAC, w.mac(name))
    ip, ra = got[IPv6], got[ICMPv6ND_RA]
    assert (ip.src, ip.dst, ip.hlim) == (ROUTER_LINK_LOCAL,
                                         link_local(w.mac(name)), 255)
    assert (ra.chlim, ra.M, ra.O, ra.routerlifetime) == (64, 0, 0, 65535)
    assert got[ICMPv6NDOptSrcLLAddr].lladdr == w.ROUTER_MAC
    info = got[ICMPv6NDOptPrefixInfo]
    assert (info.prefix, info.prefixlen) == (prefix, 64)
    assert (info.L, info.A) == (1, 0), "on the link; no SLAAC"
    assert ICMPv6NDOptPrefixInfo not in info.payload
    assert ICMPv6NDOptMTU not in got
    assert_checksum(got)


def test_who_has_no_address_yet_is_answered_too(world):
    got = answer(world, "a2", ask("a2", src="::", sll=False))
    assert (got.dst, got[IPv6].dst) == (ALL_NODES_MAC, ALL_NODES)


def test_nobody_else_hears_question_or_answer(world):
    names = ["a3", "a4", "b1", "x1"]
    taps = {name: world.tap(name) for name in names}
    with world.tap("a2") as a2, uplink_tap(world.lab, "h1") as uplink, \
            world.tap("x3") as x3:
        a2.send(ask("a2"))
        a2.expect(is_advert, "router advertisement")
        for to in ("a3", "a4", "b1", "x1"):
            router = w.ROUTER_MAC if to == "b1" else None
            sender, name = (x3, "x3") if to == "x1" else (a2, "a2")
            before = fence(sender, taps[to], name, to, 11, router)
            assert not [p for p in before
                        if is_advert(p) or ICMPv6ND_RS in p], to
        for packet in uplink.packets(0, outgoing=True):
            assert not (is_tunnelled(packet)
                        and ICMPv6ND_RS in Outer(packet).inner)
    for tap in taps.values():
        tap.close()


def test_a_question_from_far_away_gets_silence(world):
    with world.tap("a2") as a2:
        a2.send(ask("a2", hlim=64), ask("a2", src="::", sll=False))
        got = a2.expect(is_advert, "router advertisement")
        assert got[IPv6].dst == ALL_NODES, "the answer to the other question"


def test_slaac_is_told_of_where_it_is_wanted(world):
    set_config(world, "h1", 5001, slaac="true")
    assert answer(world, "a2")[ICMPv6NDOptPrefixInfo].A == 1
    assert answer(world, "b1")[ICMPv6NDOptPrefixInfo].A == 0

    set_config(world, "h1", 5001, slaac="on")
    until(lambda: [x for x in diagnostics(world, "h1")
                   if 'slaac "on"' in x], "a diagnostic")
    assert answer(world, "a2")[ICMPv6NDOptPrefixInfo].A == 0

    set_config(world, "h1", 5001)
    until(lambda: not diagnostics(world, "h1"), "the diagnostic to go")


def test_a_switched_off_router_says_that_it_is_none(world):
    before = world.policy
    world.apply(before.replace(networks=[
        dataclasses.replace(n, routed=False) for n in NETWORKS]))
    got = answer(world, "a2")
    assert got[ICMPv6ND_RA].routerlifetime == 0
    assert got[ICMPv6NDOptPrefixInfo].prefix == PREFIX
    world.apply(before)


def start_ipv6(world, name):
    """A guest that has just been started, as far as IPv6 can tell."""
    namespace = world.lab.guest(name).namespace
    netns.sysctl(namespace, {"net/ipv6/conf/eth0/disable_ipv6": 1})
    netns.sysctl(namespace, {
        "net/ipv6/conf/eth0/accept_ra": 2,
        "net/ipv6/conf/eth0/router_solicitations": 3,
        "net/ipv6/conf/eth0/router_solicitation_delay": 0,
        "net/ipv6/conf/eth0/accept_dad": 1,
        "net/ipv6/conf/eth0/dad_transmits": 1})
    netns.sysctl(namespace, {"net/ipv6/conf/eth0/disable_ipv6": 0})
    until(lambda: ROUTER_LINK_LOCAL in in_guest(
        world, name, "ip", "-6", "route", "show", "default"),
          f"{name} to know its router", timeout=30)


def addresses(world, name):
    return in_guest(world, name, "ip", "-6", "-o", "addr", "show", "dev",
                    "eth0", "scope", "global")


def test_a_guests_own_stack_finds_its_router(world):
    """It knows the way, and with SLAAC also who it is: the address that the
    policy expects."""
    start_ipv6(world, "a1")
    assert PREFIX in in_guest(world, "a1", "ip", "-6", "route", "show",
                              "dev", "eth0", "proto", "kernel")
    assert not addresses(world, "a1")

    set_config(world, "h1", 5001, slaac="true")
    start_ipv6(world, "a1")
    until(lambda: f" {OWN}/64" in addresses(world, "a1")
          and "tentative" not in addresses(world, "a1"), "an address",
          timeout=30)
    for to in ("a2", "a3", "b2"):
        world.ping("a1", ca6(to))
    set_config(world, "h1", 5001)


def test_an_agent_that_starts_tells_all_its_guests(world):
    with world.tap("a1") as a1, world.tap("a2") as a2, \
            world.tap("b1") as b1, world.tap("x1") as x1:
        agent = world.lab.host("h1").agent
        agent.stop()
        agent.start()
        for tap in (a1, a2, x1):
            got = tap.expect(is_advert, "router advertisement")
            assert (got.dst, got[IPv6].dst) == (ALL_NODES_MAC, ALL_NODES)
            assert got[ICMPv6NDOptPrefixInfo].prefix == PREFIX
        got = b1.expect(is_advert, "router advertisement")
        assert got[ICMPv6NDOptPrefixInfo].prefix == "2001:db8:a:2::"
