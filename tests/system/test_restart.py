# SPDX-License-Identifier: Apache-2.0
"""The agent stops, crashes, restarts; the switch restarts: what must hold."""

import os
import re
import signal
import subprocess
import time

import pytest

from hnvlab import deliver, netns

import world as w
from wire import echo, is_echo


@pytest.fixture
def world(make_lab):
    return w.World(make_lab(w.description()), w.policy())


def agent(world, host="h1"):
    return world.lab.host(host).agent


def flow_counters(world, host):
    """{flow without counters: packets} and the shortest duration."""
    text = world.on_host(host, "ovs-ofctl", "-OOpenFlow15", "dump-flows",
                         "br-int")
    counters, durations = {}, []
    for line in text.splitlines():
        m = re.search(r"duration=([\d.]+)s, (table=\d+), n_packets=(\d+).*"
                      r"(priority=.*)", line)
        if m:
            durations.append(float(m.group(1)))
            counters[m.group(2), m.group(4)] = int(m.group(3))
    return counters, min(durations)


def settle(world, host="h1"):
    """Everything that was asked for up to now is in the switch."""
    deliver.deliver(world.lab.host(host).remote, [["ms_vtep"]])


def test_forwarding_goes_on_without_the_agent(world):
    for host in world.lab.hosts:
        agent(world, host).stop(signal.SIGKILL)
    world.ping("a1", w.ca("a3"))
    world.ping("a1", w.ca("b2"))
    world.ping("a1", w.GATEWAY_A)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_changes_no_flow(world, how):
    """Not one is written again: none is younger than the restart."""
    world.ping("a1", w.ca("a3"), 5)
    before, age = flow_counters(world, "h1")
    agent(world).stop(how)
    agent(world).start()
    settle(world)
    after, new_age = flow_counters(world, "h1")
    assert after.keys() == before.keys()
    assert all(after[f] >= before[f] for f in before)
    assert new_age >= age


def test_no_packet_is_lost_over_a_restart(world):
    """A ping every 2 ms, before, during and after."""
    with world.tap("a1") as a1, world.tap("a3") as a3:
        sent = 0

        def send():
            nonlocal sent
            sent += 1
            a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                         seq=sent))
            a3.expect(lambda p: is_echo(p, seq=sent), f"packet {sent}",
                      timeout=2)

        for _ in range(20):
            send()
        for host in world.lab.hosts:
            agent(world, host).stop(signal.SIGKILL)
            send()
            agent(world, host).start()
            for _ in range(20):
                send()
            settle(world, host)
            send()


def test_flows_that_nobody_wants_are_gone_after_a_restart(world):
    wanted = world.flows("h1")
    agent(world).stop(signal.SIGKILL)
    world.on_host("h1", "ovs-ofctl", "-OOpenFlow15", "add-flow", "br-int",
                  "table=40,priority=100,reg0=0x1389,reg2=0x1,actions=drop")
    world.on_host("h1", "ovs-ofctl", "-OOpenFlow15", "add-flow", "br-int",
                  "table=0,priority=7,ip,actions=NORMAL")
    world.on_host("h1", "ovs-ofctl", "-OOpenFlow15", "--strict", "del-flows",
                  "br-int", "table=90,priority=0")
    assert world.flows("h1") != wanted
    agent(world).start()
    settle(world)
    assert world.flows("h1") == wanted


def test_ports_that_came_and_went_meanwhile_are_seen(world):
    agent(world).stop(signal.SIGKILL)
    guest = world.lab.guest("a1")
    world.lab.unplug(guest)
    agent(world).start()
    settle(world)
    rows = world.rows("h1", "Physical_Port", ["name", "status"])
    states = {r["name"]: dict(r["status"][1])["state"] for r in rows}
    assert states["{" + w.BY_NAME["a1"].port + "}"] == "absent"
    assert states["{" + w.BY_NAME["a2"].port + "}"] == "active"
    world.lab.plug(guest)
    world.ping_soon("a1", w.ca("a3"))


def wait_until_flows(world, host, wanted):
    """Follows cur_cfg: each answer comes from the switch."""
    for _ in range(100):
        settle(world, host)
        if world.flows(host) == wanted:
            return
    assert world.flows(host) == wanted


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restarted_switch_is_programmed_again(world, how):
    wanted = world.flows("h1")
    host = world.lab.host("h1")
    host.switch.vswitchd.stop(how)
    world.lab.restart_switch(host)
    wait_until_flows(world, "h1", wanted)
    world.ping_soon("a1", w.ca("a2"))
    world.ping_soon("a1", w.ca("a3"))
    world.ping_soon("a1", w.ca("b2"))


def test_a_deleted_bridge_is_made_again(world):
    wanted = len(world.flows("h1"))
    host = world.lab.host("h1")
    host.switch.vsctl(["del-br", "br-int"])
    host.switch.vsctl(["wait-until", "Bridge", "br-int"])
    for guest in world.lab.guests_on(host):
        world.lab.plug(guest)
    for _ in range(100):
        settle(world)
        if len(world.flows("h1")) == wanted:
            break
    assert len(world.flows("h1")) == wanted
    world.ping_soon("a1", w.ca("a2"))
    world.ping_soon("a1", w.ca("a3"))
    assert "secure" in world.on_host("h1", "ovs-vsctl", "get", "Bridge",
                                     "br-int", "fail_mode")


def test_a_tunnel_port_that_was_removed_comes_back(world):
    host = world.lab.host("h1")
    host.switch.vsctl(["del-port", "hnv-vxlan"])
    host.switch.vsctl(["wait-until", "Interface", "hnv-vxlan", "ofport!=[]"])
    settle(world)
    world.ping_soon("a1", w.ca("a3"))


def test_the_databases_are_there_after_a_crash(world):
    before = world.rows("h1", "Ucast_Macs_Remote", ["MAC", "ipaddr"])
    agent(world).stop(signal.SIGKILL)
    agent(world).start()
    after = world.rows("h1", "Ucast_Macs_Remote", ["MAC", "ipaddr"])
    assert sorted(map(str, after)) == sorted(map(str, before))
    assert len(world.rows("h1", "Physical_Switch", ["name"])) == 1
    assert len(world.rows("h1", "Global", ["next_cfg"])) == 1


@pytest.mark.parametrize("command", [
    ["del-flows", "br-int"], ["del-flows", "br-int", "table=40"],
    ["mod-flows", "br-int", "table=90,actions=drop"]])
def test_flows_that_somebody_else_takes_away_come_back(world, command):
    flows = world.flows("h1")
    world.on_host("h1", "ovs-ofctl", "-OOpenFlow15", *command)
    deadline = time.monotonic() + 10
    while world.flows("h1") != flows:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    w.forget_cached(world.lab.host("h1"))
    world.ping("a1", w.ca("a2"))
    world.ping("a1", w.ca("a3"))


def test_a_second_agent_leaves_the_first_ones_socket_alone(world, tmp_path):
    first = agent(world)
    words = [word for word in first.args
             if word.startswith(("--run-dir", "--ovsdb"))]
    env = {**os.environ, **first.env}
    run = subprocess.run(
        netns.command(first.namespace, [first.args[0], *words,
                                        f"--db-dir={tmp_path}",
                                        f"--unixctl={tmp_path}/ctl"]),
        env=env, capture_output=True, text=True, timeout=30)
    assert run.returncode
    assert "another hnv-agent has its databases' socket here" in run.stderr
    world.rows("h1", "Global", ["next_cfg"])
