# SPDX-License-Identifier: Apache-2.0
"""Packets on their way from the switch to the agent."""

import re
import time

import pytest

import world as w

FRAME = "ffffffffffff00155d00010188b5" + "00" * 46
MANY = 2000


@pytest.fixture(scope="module")
def world(make_lab):
    guests = [w.BY_NAME["a1"], w.BY_NAME["a2"]]
    return w.World(make_lab(w.description(guests)), w.policy(vms=guests))


def taken(world):
    """Packets that the agent has taken so far."""
    text = world.on_host("h1", "ovs-appctl", "-t", "hnv-agent", "hnv/status")
    return sum(map(int, re.findall(r"packets taken, \S+: (\d+)", text)))


def ports(world):
    """The ports that may hand packets to the agent: guests', tunnels'."""
    return sorted(re.search(r"in_port=(\d+)", flow).group(1)
                  for flow in world.flows("h1") if "controller" in flow)


def punt(world, port, times=1):
    world.on_host("h1", "ovs-ofctl", "-OOpenFlow15", "packet-out", "br-int",
                  port, "resubmit(,35)", *[FRAME] * times)


def wait_for(condition, timeout=10):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def metered(world, port):
    """Packets that came to the port's meter, and of them those dropped."""
    text = world.on_host("h1", "ovs-ofctl", "-OOpenFlow15", "meter-stats",
                         "br-int", f"meter={port}")
    return (int(re.search(r"packet_in_count:(\d+)", text).group(1)),
            int(re.search(r"0: packet_count:(\d+)", text).group(1)))


def test_each_port_has_a_meter_of_its_own(world):
    """One that sends more than its share leaves the others theirs."""
    greedy, modest = ports(world)[:2]
    before = taken(world)
    punt(world, greedy, MANY)
    punt(world, modest)
    wait_for(lambda: metered(world, greedy)[0] == MANY)
    wait_for(lambda: metered(world, modest) == (1, 0))
    passed = MANY - metered(world, greedy)[1]
    assert 0 < passed < MANY
    wait_for(lambda: taken(world) == before + passed + 1)


def test_meters_go_with_their_ports(world):
    def meters():
        return set(re.findall(r"meter=(\d+)", world.on_host(
            "h1", "ovs-ofctl", "-OOpenFlow15", "dump-meters", "br-int")))

    assert meters() == set(ports(world))
    world.apply(w.policy(vms=[w.BY_NAME["a1"]]))
    wait_for(lambda: meters() == set(ports(world)))
    assert len(meters()) == 3
