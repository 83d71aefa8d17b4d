# SPDX-License-Identifier: Apache-2.0
"""The agent's two backends: which one it takes, and what the datapath has."""

import pathlib
import re
import shutil

import pytest

from hnvlab import deliver

import hnv_switch
import test_load_balancing as lb
import world as w
import world_ipv6 as w6
from extension import EXTENDED, needs_extension
from waiting import until

DEADLINE_S = 20


@pytest.fixture(name="extended")
def fixture_extended(monkeypatch):
    """Labs have the switch with the extension, if there is one."""
    if EXTENDED:
        monkeypatch.setenv("HNV_VSWITCHD", EXTENDED)


@pytest.fixture(name="world")
def fixture_world(make_lab, extended):
    return w.World(make_lab(w.description()), w.policy())


def wait_for(what, condition):
    until(condition, what, DEADLINE_S)


def settle(world, host="h1"):
    """Everything that was asked for up to now is in the switch."""
    deliver.deliver(world.lab.host(host).remote, [["ms_vtep"]])


def status(world, host="h1"):
    return world.on_host(host, "ovs-appctl", "-t", "hnv-agent", "hnv/status")


def backend(world, host="h1"):
    return re.search(r"^backend: (.*)$", status(world, host), re.M).group(1)


def choose(world, name, host="h1"):
    world.lab.host(host).switch.vsctl(
        ["set", "Open_vSwitch", ".", f"external_ids:hnv-backend={name}"])


def lookup(world, key, host="h1"):
    text = world.lab.host(host).switch.appctl("hnv/space-lookup", key)
    return text if isinstance(text, str) else text.stdout


def restart_switch(world, program=None, host="h1"):
    member = world.lab.host(host)
    member.switch.vswitchd.stop()
    if program:
        member.switch.vswitchd.args[0] = program
    world.lab.restart_switch(member)


def use_extension(world):
    choose(world, "hnv")
    wait_for("backend hnv", lambda: backend(world) == "hnv")
    settle(world)


def key(guest):
    return f"vsid={w.BY_NAME[guest].vsid},ca={w.ca(guest)}"


def test_it_is_stock_if_that_is_asked_for(world):
    choose(world, "stock")
    wait_for("backend stock", lambda: backend(world) == "stock")
    assert re.search(r"^backend's reason: the switch has", status(world),
                     re.M)


@needs_extension
def test_it_is_hnv_if_nothing_is_asked_for(world):
    world.lab.host("h1").switch.vsctl(
        ["remove", "Open_vSwitch", ".", "external_ids", "hnv-backend"])
    wait_for("backend hnv", lambda: backend(world) == "hnv")
    choose(world, "whatever")
    logfile = pathlib.Path(world.lab.host("h1").agent.logfile)
    wait_for("a warning", lambda: '"whatever" is neither' in
             logfile.read_text(encoding="utf-8"))
    assert backend(world) == "hnv"


def test_a_stock_switch_is_told_of(world):
    program = shutil.which("ovs-vswitchd")
    if EXTENDED:
        restart_switch(world, program)
    choose(world, "hnv")
    wait_for("the answer", lambda: "has no datapath extension (OFPBRC_"
             in status(world))
    assert backend(world) == "stock"
    assert "errors: 0\n" in status(world)
    with open(world.lab.host("h1").agent.logfile, encoding="utf-8") as f:
        assert "backend stock: the switch has no datapath" in f.read()
    world.ping_soon("a1", w.ca("a3"))


@needs_extension
def test_mappings_are_in_the_datapath(world):
    use_extension(world)
    assert "pa=192.168.2.20,vxlan" in lookup(world, key("a3"))
    assert "local" in lookup(world, key("a2"))
    assert "pa=192.168.2.20" in lookup(
        world, f"vsid=5001,mac={w.mac('a3')}")
    flows = world.flows("h1")
    assert not [f for f in flows if "table=42" in f and w.mac("a3") in f]
    assert [f for f in flows if "hnv(switch" in f]
    world.ping("a1", w.ca("a3"))
    world.ping("a1", w.ca("b2"))


@needs_extension
def test_a_moved_guest_is_one_entry_changed(world):
    use_extension(world)
    before = lookup(world, key("a3"))
    moved = [v if v.name != "a3" else w.vm("a3", "h3", 5001, w.ca("a3"),
                                           w.mac("a3")) for v in w.VMS]
    deliver.deliver(world.lab.host("h1").remote,
                    world.policy.replace(vms=moved).since(world.policy, "h1"))
    after = lookup(world, key("a3"))
    assert "pa=192.168.1.30" in after and after != before
    assert "pa=192.168.2.20" in lookup(world, key("b2"))


def restart_agent(world):
    """Returns how many entries the agent then found in the datapath.  Of those
    that were not as it wants them, it wrote each once.  (Of an address that
    several guests share, which of their rows an entry names is nothing that
    lasts.)"""
    agent = world.lab.host("h1").agent
    agent.stop()
    agent.start()
    settle(world)
    text = status(world)
    found, missing = map(int, re.search(
        r"readback of the datapath: (\d+) entries found, (\d+) missing",
        text).groups())
    assert f"datapath entries sent: {missing} put, 0 removed, in" in text
    flows = re.search(r"(\d+) space flows missing", text).group(1)
    assert int(flows) <= missing
    return found


@needs_extension
def test_a_restarted_agent_writes_no_entry_again(world):
    use_extension(world)
    assert restart_agent(world) > 10
    assert "datapath entries sent: 0 put, 0 removed, in 0 messages" in status(
        world)


@needs_extension
@pytest.mark.parametrize("encap", ["vxlan", "nvgre"])
def test_entries_of_rarer_kinds_are_known_again(make_lab, extended, encap):
    """Of addresses that several guests share, and of IPv6."""
    balanced = lb.Balanced(make_lab(w.description(lb.VMS)), encap)
    use_extension(balanced.world)
    balanced.share("s1", "s2")
    assert restart_agent(balanced.world) > 128
    assert "share" in balanced.world.lab.host("h1").switch.appctl(
        "hnv/space-show", "1000")
    world = w.World(make_lab(w6.description()), w6.policy(encap))
    use_extension(world)
    assert restart_agent(world) > 10


@needs_extension
def test_a_restarted_switch_has_all_again(world):
    use_extension(world)
    restart_switch(world)
    wait_for("the entry", lambda: "pa=" in lookup(world, key("a3")))
    settle(world)
    world.ping_soon("a1", w.ca("a3"))


@needs_extension
def test_it_changes_over_when_the_switch_does(world):
    use_extension(world)
    restart_switch(world, shutil.which("ovs-vswitchd"))
    wait_for("backend stock", lambda: backend(world) == "stock")
    settle(world)
    world.ping_soon("a1", w.ca("a3"))
    restart_switch(world, EXTENDED)
    wait_for("backend hnv", lambda: backend(world) == "hnv")
    settle(world)
    assert "pa=192.168.2.20,vxlan" in lookup(world, key("a3"))
    world.ping_soon("a1", w.ca("a3"))


@needs_extension
def test_no_entry_is_left_when_it_is_no_longer_asked_for(world):
    use_extension(world)
    choose(world, "stock")
    wait_for("backend stock", lambda: backend(world) == "stock")
    settle(world)
    assert "is not known" in lookup(world, key("a3"))
    world.ping("a1", w.ca("a3"))


@needs_extension
def test_entries_that_somebody_else_takes_away_come_back(world):
    """Soon after the agent last had anything to say, or a while later."""
    use_extension(world)
    folder = world.lab.host("h1").folder
    for _ in range(2):
        session = hnv_switch.Session(f"{folder}/br-int.mgmt")
        session.space_mod(hnv_switch.FLUSH)
        session.barrier()
        session.close()
        wait_for("the entry", lambda: "pa=" in lookup(world, key("a3")))
        settle(world)
        world.ping_soon("a1", w.ca("a3"))
    assert "somebody else changed" in status(world)
