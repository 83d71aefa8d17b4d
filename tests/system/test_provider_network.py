# SPDX-License-Identifier: Apache-2.0
"""The network that provider addresses are in: VLAN tags and VRFs.

The provider subnet of h1 and h3 is VLAN 100 on their uplinks.  The lab tags
their ports itself; here the agent of h1 has to."""

import time

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Dot1Q

from hnvlab import netns
from hnvlab.errors import LabError
from hnvlab.policy import Policy

import world as w
from wire import Outer, is_tunnelled, uplink_tap

VLAN = 100
PA = w.PAS["h1"]
OTHER_PA = "192.0.2.7"
KEY = f"pa-vlan:{PA}"
GUESTS = ("a1", "a3", "a4")


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    vms = [v for v in w.VMS if v.name in GUESTS]
    description = w.description(vms)
    description["underlay"][0]["vlan"] = VLAN
    full = w.policy(request.param)
    world = w.World(make_lab(description), Policy(
        hosts=w.PAS, networks=full.networks[:1], encap=request.param,
        vms=vms, router_mac=w.ROUTER_MAC))
    vsctl(world, "clear", "Port", "br-phy0", "tag")
    return world


@pytest.fixture(autouse=True)
def nothing_left(world):
    yield
    configure(world)
    assert diagnostics(world) == []


def vsctl(world, *words):
    return world.lab.host("h1").switch.vsctl(list(words)).strip()


def tag(world):
    return vsctl(world, "get", "Port", "br-phy0", "tag")


def configure(world, pas=(PA,), **config):
    world.transact("h1", {
        "op": "update", "table": "Physical_Switch", "where": [],
        "row": {"other_config": ["map", list(map(list, config.items()))],
                "tunnel_ips": ["set", list(pas)]}})


def diagnostics(world):
    return [(r["code"], r["text"]) for r in world.rows(
        "h1", "Diagnostic", ["code", "text"])]


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def carried(world):
    """A tunnelled packet as it is on the wire, from h1's uplink."""
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping_soon("a1", w.ca("a3"))
        return uplink.expect(
            lambda p: Dot1Q in p and IP in p or is_tunnelled(p),
            "tunnelled packet", outgoing=True)


def test_packets_leave_with_the_tag(world):
    configure(world, **{KEY: str(VLAN)})
    wait_for(lambda: tag(world) == str(VLAN))
    frame = carried(world)
    assert frame[Dot1Q].vlan == VLAN
    inside = frame.copy()
    inside.type, inside.payload = frame[Dot1Q].type, frame[Dot1Q].payload
    outer = Outer(inside)
    assert outer.kind and outer.src == PA
    assert diagnostics(world) == []


def test_the_tag_goes_when_it_is_not_wanted(world):
    configure(world, **{KEY: str(VLAN)})
    wait_for(lambda: tag(world) == str(VLAN))
    configure(world)
    wait_for(lambda: tag(world) == "[]")


def test_a_tag_that_the_policy_does_not_ask_for_stays(world):
    vsctl(world, "set", "Port", "br-phy0", f"tag={VLAN}")
    configure(world, **{KEY: str(VLAN + 1)})
    wait_for(lambda: tag(world) == str(VLAN + 1))
    configure(world)
    wait_for(lambda: tag(world) == "[]")
    vsctl(world, "set", "Port", "br-phy0", f"tag={VLAN}")
    world.transact("h1")
    world.ping_soon("a1", w.ca("a3"))
    assert tag(world) == str(VLAN)
    vsctl(world, "clear", "Port", "br-phy0", "tag")


def test_somebody_elses_change_is_put_right(world):
    configure(world, **{KEY: str(VLAN)})
    wait_for(lambda: tag(world) == str(VLAN))
    vsctl(world, "set", "Port", "br-phy0", "tag=7")
    wait_for(lambda: tag(world) == str(VLAN))
    assert carried(world)[Dot1Q].vlan == VLAN


def test_the_tag_outlives_the_switch(world):
    configure(world, **{KEY: str(VLAN)})
    wait_for(lambda: tag(world) == str(VLAN))
    host = world.lab.host("h1")
    netns.end_processes([host.switch.vswitchd.pid()])
    wait_for(lambda: diagnostics(world) != [])
    assert tag(world) == str(VLAN)
    world.lab.restart_switch(host)
    world.ping_soon("a1", w.ca("a3"))
    wait_for(lambda: diagnostics(world) == [])


@pytest.mark.parametrize("key, value", [
    (KEY, "0"), (KEY, "4095"), (KEY, "ten"), ("pa-vlan:192.0.2.9", "5"),
    ("pa-vlan:", "5"), ("pa-vrf", "longer-than-any-device")])
def test_bad_values_are_told_of(world, key, value):
    configure(world, **{key: value})
    ((code, text),) = diagnostics(world)
    assert code == "OtherConfig" and f"other_config:{key} " in text
    assert tag(world) == "[]"


@pytest.mark.parametrize("kind, vlan, right", [
    ("link add test9 type veth peer name test10", "9", False),
    ("link add link lo name test9 type vlan id 9", "10", False),
    ("link add link lo name test9 type vlan id 9", "9", True)])
def test_a_device_of_the_kernel_has_to_be_of_the_vlan(world, kind, vlan,
                                                      right):
    namespace = world.lab.host("h1").namespace
    if not can_do(namespace, kind):
        pytest.skip("this kernel has no VLAN devices")
    netns.ip(namespace, [kind, f"addr add {OTHER_PA}/24 dev test9",
                         "link set test9 mtu 1600 up"])
    try:
        if "veth" in kind:
            netns.ip(namespace, ["link set test10 up"])
        configure(world, (PA, OTHER_PA), **{f"pa-vlan:{OTHER_PA}": vlan})
        if right:
            assert diagnostics(world) == []
        else:
            wait_for(lambda: any("which is no device of its VLAN" in text
                                 for _, text in diagnostics(world)))
            ((code, text),) = diagnostics(world)
            assert code == "PAAddressConfigurationFailure"
            assert (f"{OTHER_PA} is on test9, which is no device of its VLAN "
                    f"{vlan}") in text
    finally:
        configure(world)
        netns.ip(namespace, ["link del test9"])


def test_an_address_counts_in_its_vrf_only(world):
    """A bridge stands in for the VRF, which is a device's master, too: not
    every kernel that tests run on has VRFs."""
    namespace = world.lab.host("h1").namespace
    configure(world, **{"pa-vrf": "test-vrf"})
    ((code, text),) = diagnostics(world)
    assert code == "PAAddressConfigurationFailure"
    assert f"in VRF test-vrf has PA {PA}" in text

    if not can_do(namespace, "link add test9 type bridge"):
        pytest.skip("no device can be a master here")
    netns.ip(namespace, ["link add test-vrf type bridge",
                         "link set br-phy0 master test-vrf"])
    try:
        wait_for(lambda: diagnostics(world) == [])
    finally:
        netns.ip(namespace, ["link del test-vrf"])
    wait_for(lambda: diagnostics(world) != [])


def can_do(namespace, kind):
    """Whether the kernel has such devices."""
    try:
        netns.ip(namespace, [kind, "link del test9"])
        return True
    except LabError:
        return False
