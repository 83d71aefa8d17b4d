# SPDX-License-Identifier: Apache-2.0
"""Learning: what bounds it, in number, in time and over restarts.  See
learning.py for who is where."""

import re
import signal

import pytest
from scapy.layers.l2 import ARP

from hnvlab import policy as hnv_policy
import world as w
from learning import (
    SPARE, VSID, counter, diagnostics, gratuitous, know_each_other,
    learned, learning_policy, report_of, reported, start_over, wait_for)
from wire import arp_request

AGING = 10              # Seconds; the shortest there is.


@pytest.fixture(scope="module")
def lab_world(make_lab):
    return w.World(make_lab(w.description()), learning_policy())


@pytest.fixture
def world(lab_world):
    start_over(lab_world, learning_policy())
    return lab_world


def many(guest, n):
    return [gratuitous(guest, f"10.1.1.{100 + i % 100}", "is-at")
            if i < 100 else gratuitous(guest, f"10.1.1.{i - 79}", "is-at")
            for i in range(n)]


def of_guest(world, host, guest):
    return [ca for ca, (mac, _) in learned(world, host).items()
            if mac == w.mac(guest)]


@pytest.mark.parametrize("limit", [64, 5])
def test_a_guest_fills_no_table(world, limit):
    """It says that it has 150 addresses.  By default 64 are believed."""
    if limit != 64:
        world.apply(world.policy.with_config(learning="true",
                                             learning_limit=str(limit)))
    with world.tap("a1") as a1, world.tap("a2") as a2:
        for packet in many("a1", 150):
            a1.send(packet)
        wait_for(lambda: counter(world, "h1", "packets, over the limit"),
                 "refused")
        assert len(of_guest(world, "h1", "a1")) <= limit
        assert len(reported(world, "h1")) <= limit

        # Its neighbour is not affected.
        a2.send(gratuitous("a2", SPARE, "is-at"))
        wait_for(lambda: learned(world, "h1").get(SPARE)
                 == (w.mac("a2"), "here"), "neighbour's address", timeout=3)
    assert len(of_guest(world, "h2", "a1")) <= 16 * limit


def test_a_guest_has_a_meter_of_its_own(world):
    """What is over it is dropped and counted, and other guests learn on."""
    with world.tap("a1") as a1, world.tap("a2") as a2, \
            world.tap("a3") as a3:
        for _ in range(2000):
            a1.send(arp_request(w.mac("a1"), w.ca("a1"), SPARE))
        a2.send(arp_request(w.mac("a2"), w.ca("a2"), SPARE))
        heard = a3.until(lambda p: ARP in p and p[ARP].psrc == w.ca("a2"),
                         "neighbour's question")
        wait_for(lambda: w.ca("a2") in learned(world, "h1"), "known")
    assert len([p for p in heard if ARP in p]) < 1000
    stats = world.on_host("h1", "ovs-ofctl", "-OOpenFlow15", "meter-stats",
                          "br-int")
    assert sum(map(int, re.findall(r"0: packet_count:(\d+)", stats))) > 100


def test_addresses_age(world):
    """One that nobody uses is forgotten, here and there.  One whose owner
    just has nothing to say stays: he is asked, and others are told."""
    world.apply(world.policy.with_config(learning="true",
                                         learning_aging=str(AGING)))
    know_each_other(world, "a1", "a3")
    with world.tap("a2") as a2:
        a2.send(gratuitous("a2", SPARE))
        for host in ("h1", "h2"):
            wait_for(lambda h=host: SPARE in learned(world, h), "known")
        assert SPARE in reported(world, "h1")
        for host in ("h1", "h2"):
            wait_for(lambda h=host: SPARE not in learned(world, h),
                     f"forgotten on {host}", timeout=4 * AGING)
        assert SPARE not in reported(world, "h1")
        # More than an age has passed since anybody but the agents spoke.
        for host in ("h1", "h2"):
            assert {w.ca("a1"), w.ca("a3")} <= set(learned(world, host))


def agent(world, host):
    return world.lab.host(host).agent


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_of_the_agent(world, how):
    """Addresses of guests that are still there are known again at once, and
    their rows never go; those of others go."""
    know_each_other(world, "a1", "a3")
    with world.tap("a2") as a2:
        a2.send(gratuitous("a2", SPARE))
        wait_for(lambda: SPARE in reported(world, "h1"), "reported")
    mine = world.rows("h1", "Ucast_Macs_Local", ["_uuid"],
                      [["ipaddr", "==", w.ca("a1")]])
    agent(world, "h1").stop(how)
    agent(world, "h1").start()
    world.ping_soon("a1", w.ca("a3"))
    world.ping_soon("b1", w.ca("a3"))
    wait_for(lambda: w.ca("a1") in learned(world, "h1"), "known again")
    wait_for(lambda: SPARE not in reported(world, "h1"), "pruned")
    assert mine == world.rows("h1", "Ucast_Macs_Local", ["_uuid"],
                              [["ipaddr", "==", w.ca("a1")]])
    assert reported(world, "h1") == report_of(world, "a1", "h1")


def test_a_guest_that_is_unplugged(world):
    know_each_other(world, "a1", "a3")
    wait_for(lambda: reported(world, "h1"), "reported")
    guest = world.lab.guest("a1")
    world.lab.unplug(guest)
    wait_for(lambda: w.ca("a1") not in learned(world, "h1"), "forgotten")
    wait_for(lambda: not reported(world, "h1"), "not reported")
    world.lab.plug(guest)
    world.ping_soon("a1", w.ca("a3"))


def test_what_others_write_to_the_table_is_undone(world):
    know_each_other(world, "a1", "a3")
    mine = wait_for(lambda: reported(world, "h1"), "reported")
    with world.client("h1") as client:
        client.transact(
            "ms_vtep",
            {"op": "delete", "table": "Ucast_Macs_Local", "where": []})
    wait_for(lambda: reported(world, "h1") == mine, "there again")
    locator = world.rows("h1", "Physical_Locator", ["_uuid"])[0]["_uuid"]
    with world.client("h1") as client:
        client.transact(
            "ms_vtep", hnv_policy.insert("Ucast_Macs_Local", {
                "MAC": w.mac("a2"), "ipaddr": SPARE,
                "logical_switch": ["uuid", hnv_policy.switch_uuid(VSID)],
                "locator": locator}))
    wait_for(lambda: reported(world, "h1") == mine, "gone again")


def test_a_subnet_can_be_deleted_whatever_is_reported(world):
    """The agent's rows refer to it, and give way."""
    know_each_other(world, "a1", "a3")
    wait_for(lambda: reported(world, "h1"), "reported")
    others = [v for v in w.VMS if v.vsid != VSID]
    networks = [world.policy.networks[0].__class__(
        n.name, [s for s in n.subnets if s.vsid != VSID])
        for n in world.policy.networks]
    before = world.policy
    world.apply(before.replace(vms=others, networks=networks, config={}))
    assert not world.rows("h1", "Ucast_Macs_Local", ["_uuid"])
    assert not learned(world, "h1")
    world.apply(before)
    world.ping_soon("a1", w.ca("a3"))


def test_a_host_without_a_locator_gets_one(world):
    """For the report, of the first PA, by VXLAN."""
    known = world.rows("h3", "Physical_Locator", ["dst_ip"])
    assert {"dst_ip": w.PAS["h3"]} in known
    pa = "192.168.1.33"
    world.transact("h3", {"op": "update", "table": "Physical_Switch",
                          "where": [], "row": {
                              "tunnel_ips": pa}})
    with world.tap("a4") as a4:
        a4.send(gratuitous("a4", SPARE))
        wait_for(lambda: reported(world, "h3").get(SPARE)
                 == (w.mac("a4"), pa, "vxlan_over_ipv4"), "reported")
    world.transact("h3", {"op": "update", "table": "Physical_Switch",
                          "where": [], "row": {
                              "tunnel_ips": w.PAS["h3"]}})
    wait_for(lambda: all(pa_ == w.PAS["h3"]
                         for _, pa_, _ in reported(world, "h3").values()),
             "at the PA that is left")


@pytest.mark.parametrize("key, value, holds", [
    ("learning", "yes", "learning"),
    ("learning_limit", "0", "learning_limit"),
    ("learning_limit", "many", "learning_limit"),
    ("learning_aging", "9", "learning_aging"),
    ("learning_aging", "-1", "learning_aging")])
def test_a_value_that_makes_no_sense_gets_a_diagnostic(world, key, value,
                                                       holds):
    config = {"learning": "true", key: value}
    world.apply(world.policy.with_config(**config))
    texts = diagnostics(world, "h1")
    assert len(texts) == 1
    assert f"other_config:{holds} \"{value}\" is not" in texts[0]
    if key != "learning":
        world.ping("a1", w.ca("a3"))
    world.apply(world.policy.with_config(learning="true"))
    assert not diagnostics(world, "h1")
