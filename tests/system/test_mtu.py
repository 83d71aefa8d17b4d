# SPDX-License-Identifier: Apache-2.0
"""How long guests' packets may be: by the uplink and the encapsulation.

The lab's uplinks have an MTU of 1600, its guests one of 1500."""

import contextlib
import time

import pytest

from hnvlab import netns
from hnvlab.policy import Policy

import world as w

OVERHEAD = {("vxlan", 4): 50, ("nvgre", 4): 42,
            ("vxlan", 6): 70, ("nvgre", 6): 62}
UPLINK = 1600
PAS = {4: w.PAS, 6: {"h1": "2001:db8:1::10", "h2": "2001:db8:2::20",
                     "h3": "2001:db8:1::30"}}
UNDERLAY = {4: [{"subnet": "192.168.1.0/24", "gateway": "192.168.1.1"},
                {"subnet": "192.168.2.0/24", "gateway": "192.168.2.1"}],
            6: [{"subnet": "2001:db8:1::/64", "gateway": "2001:db8:1::1"},
                {"subnet": "2001:db8:2::/64", "gateway": "2001:db8:2::1"}]}
GUESTS = ("a1", "a3", "a4")


@pytest.fixture(scope="module", params=list(OVERHEAD),
                ids=lambda p: f"{p[0]}-ipv{p[1]}")
def world(request, make_lab):
    encap, family = request.param
    vms = [v for v in w.VMS if v.name in GUESTS]
    description = w.description(vms)
    description["underlay"] = UNDERLAY[family]
    description["hosts"] = [{"name": h, "pa": [pa]}
                            for h, pa in PAS[family].items()]
    full = w.policy(encap)
    world = w.World(make_lab(description), Policy(
        hosts=PAS[family], networks=full.networks[:1], encap=encap, vms=vms,
        router_mac=w.ROUTER_MAC))
    world.overhead = OVERHEAD[request.param]
    return world


def mtu(world, host="h1"):
    (row,) = world.rows(host, "Physical_Port", ["status"])
    return int(dict(row["status"][1])["mtu"])


def diagnostics(world):
    return [(r["code"], r["text"]) for r in world.rows(
        "h1", "Diagnostic", ["code", "text"])]


def wait_for_mtu(world, wanted):
    deadline = time.monotonic() + 10
    while mtu(world) != wanted:
        assert time.monotonic() < deadline, (mtu(world), wanted)
        time.sleep(0.02)


@contextlib.contextmanager
def uplink_mtu(world, value):
    namespace = world.lab.host("h1").namespace
    netns.ip(namespace, [f"link set uplink0 mtu {value}"])
    try:
        yield
    finally:
        netns.ip(namespace, [f"link set uplink0 mtu {UPLINK}"])


def test_a_port_says_what_fits(world):
    assert mtu(world) == UPLINK - world.overhead
    assert diagnostics(world) == []


@contextlib.contextmanager
def guests_mtu(world, value):
    """Both ends of the cables of a1 and a3."""
    ends = [(world.lab.guest(g).namespace, "eth0") for g in ("a1", "a3")] + [
        (world.lab.host(w.BY_NAME[g].host).namespace, f"v-{g}")
        for g in ("a1", "a3")]
    for namespace, link in ends:
        netns.ip(namespace, [f"link set {link} mtu {value}"])
    try:
        yield
    finally:
        for namespace, link in ends:
            netns.ip(namespace, [f"link set {link} mtu 1500"])


def test_what_is_said_to_fit_does(world):
    """Ping's and IP's headers have 28 bytes."""
    fits = mtu(world)
    with guests_mtu(world, fits):
        netns.run(netns.command(world.lab.guest("a1").namespace, [
            "ping", "-n", "-q", "-c1", "-i0.1", "-w10", "-Mdo",
            f"-s{fits - 28}", w.ca("a3")]))


def test_a_smaller_uplink_is_told_of(world):
    with uplink_mtu(world, 1500):
        fits = 1500 - world.overhead
        wait_for_mtu(world, fits)
        ((code, text),) = diagnostics(world)
        assert code == "MtuTooSmall"
        assert f"v-a1 has MTU 1500, but of the guest's packets only those " \
               f"up to {fits} bytes" in text
    wait_for_mtu(world, UPLINK - world.overhead)
    assert diagnostics(world) == []


def test_an_uplink_that_is_just_large_enough_is_no_trouble(world):
    with uplink_mtu(world, 1500 + world.overhead):
        wait_for_mtu(world, 1500)
        assert diagnostics(world) == []
    wait_for_mtu(world, UPLINK - world.overhead)


def test_the_encapsulation_with_the_largest_overhead_counts(world):
    before = world.policy
    world.apply(before.replace(encap_of={
        "h3": "nvgre" if before.encap == "vxlan" else "vxlan"}))
    family = 6 if ":" in before.pas("h1")[0] else 4
    assert mtu(world) == UPLINK - OVERHEAD["vxlan", family]
    world.apply(before)
    assert mtu(world) == UPLINK - world.overhead
