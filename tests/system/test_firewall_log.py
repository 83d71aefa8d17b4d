# SPDX-License-Identifier: Apache-2.0
"""What the firewall says of itself: its log and its counters."""

import datetime
import json
import os

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from hnvlab.errors import LabError

import world as w
from firewall_rules import (ADMIN, allow_all, only_in, only_out, rule)
from guest_sockets import assert_answers, assert_connects
from waiting import until
from world_ipv6 import description, end, policy

WEB, OTHER = 8080, 8081
LOGGED = {"logging_state": "Enabled"}


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    return w.World(make_lab(description()), policy(request.param))


class Log:
    """The lines that a host's firewall log gets from now on, but for what
    guests say in ICMPv6 of their own accord."""

    def __init__(self, world, host):
        self.name = f"{world.lab.host(host).switch.logs}/firewall.log"
        self.start = len(self.all())

    def all(self):
        if not os.path.exists(self.name):
            return []
        with open(self.name, encoding="utf-8") as f:
            lines = [json.loads(line) for line in f.read().splitlines()]
        return [line for line in lines if line.get("protocol") != 58]

    def lines(self):
        return self.all()[self.start:]

    def expect(self, *wanted):
        """Waits until it has as many lines, of which these are parts, in any
        order; returns them in this order."""
        until(lambda: len(self.lines()) >= len(wanted), f"{len(wanted)} "
              f"lines in {self.name}")
        lines = self.lines()
        found = [next(line for line in lines if want.items() <= line.items())
                 for want in wanted]
        assert len(lines) == len(wanted), lines
        return found


def appctl(world, host, *words):
    return world.on_host(host, "ovs-appctl", "-t", "hnv-agent", *words)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("to", ["a2", "a3"])
def test_a_new_connection_is_one_line(world, firewall, to, family):
    """Whatever goes on in it; and one on either side."""
    firewall(a1=[rule("Outbound", rule_id="out", **LOGGED), *only_in()],
             **{to: [*only_in(protocols="tcp", rule_id="in", **LOGGED)]})
    ends = end("a1", family), end(to, family)
    here, there = Log(world, "h1"), Log(world, w.BY_NAME[to].host)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert_connects(world, *ends, WEB)
    said = {"protocol": 6, "verdict": "Allow", "dst_port": WEB,
            "src_ip": ends[0][1], "dst_ip": ends[1][1]}
    sent = {**said, "rule_id": "out", "direction": "Outbound",
            "port": w.BY_NAME["a1"].port}
    got = {**said, "rule_id": "in", "direction": "Inbound",
           "port": w.BY_NAME[to].port}
    if to == "a2":
        lines = here.expect(sent, got)
    else:
        lines = [*here.expect(sent), *there.expect(got)]
    assert lines[0]["src_port"] == lines[1]["src_port"]
    when = datetime.datetime.fromisoformat(lines[0]["time"][:-1] + "+00:00")
    assert abs(when - now) < datetime.timedelta(seconds=30)


def datagram(to, sport, dport):
    return (Ether(src=w.mac("a1"), dst=w.mac(to))
            / IP(src=w.ca("a1"), dst=w.ca(to))
            / UDP(sport=sport, dport=dport) / b"x")


@pytest.mark.parametrize("to", ["a2", "a3"])
def test_the_rule_that_decides_is_the_one_that_says_so(world, firewall, to):
    """In each layer, if it is to be logged; the others are silent."""
    firewall(**{to: [
        rule("Inbound", rule_id="all", rule_type=ADMIN, **LOGGED),
        rule("Inbound", "Block", 5, rule_id="no", protocols="udp",
             dst_ports=str(OTHER), **LOGGED),
        rule("Inbound", priority=6, rule_id="quiet")]})
    log = Log(world, w.BY_NAME[to].host)
    with world.tap("a1") as a1:
        a1.send(datagram(to, 1, WEB), datagram(to, 2, OTHER))
        log.expect(
            {"rule_id": "all", "verdict": "Allow", "src_port": 1},
            {"rule_id": "all", "verdict": "Allow", "src_port": 2},
            {"rule_id": "no", "verdict": "Block", "src_port": 2,
             "dst_port": OTHER, "protocol": 17, "direction": "Inbound"})


def test_equal_rules_of_ports_directions_and_layers_are_told_apart(
        world, firewall):
    for_all = {"priority": 7, **LOGGED}
    firewall(**{guest: [
        rule(direction, rule_id=f"{direction} {layer}", rule_type=layer,
             **for_all)
        for direction in ("Inbound", "Outbound")
        for layer in (ADMIN, "RuleWithControllerPriority")]
                for guest in ("a1", "a2")})
    log = Log(world, "h1")
    with world.tap("a1") as a1:
        a1.send(datagram("a2", 3, WEB))
        log.expect(*[
            {"rule_id": f"{direction} {layer}", "direction": direction,
             "port": w.BY_NAME[guest].port}
            for guest, direction in (("a1", "Outbound"), ("a2", "Inbound"))
            for layer in (ADMIN, "RuleWithControllerPriority")])


def test_an_open_port_logs_as_well(world, firewall):
    firewall(a2=[{**row, **LOGGED} for row in allow_all()])
    log = Log(world, "h1")
    with world.tap("a1") as a1:
        a1.send(datagram("a2", 4, WEB))
        log.expect({"src_port": 4, "direction": "Inbound"})
    firewall(a2=allow_all())
    assert not [f for f in world.flows("h1") if "table=84" in f]


def test_a_port_that_is_busy_keeps_no_other_from_being_logged(world,
                                                              firewall):
    """It has a meter of its own."""
    firewall(a1=[rule("Outbound", rule_id="busy", **LOGGED)],
             b1=[rule("Outbound", rule_id="calm", **LOGGED)])
    log = Log(world, "h1")
    with world.tap("a1") as a1, world.tap("b1") as b1:
        a1.send(*[datagram("a2", sport, WEB) for sport in range(1, 1001)])
        packet = (Ether(src=w.mac("b1"), dst=w.ROUTER_MAC)
                  / IP(src=w.ca("b1"), dst=w.ca("a1")) / TCP(dport=WEB))
        b1.send(packet)
        until(lambda: [x for x in log.lines() if x["rule_id"] == "calm"],
              "the other port's line")
    assert len(log.lines()) < 1000


def test_the_log_is_reopened(world, firewall):
    firewall(a2=only_in(rule_id="in", **LOGGED))
    log = Log(world, "h1")
    with world.tap("a1") as a1:
        a1.send(datagram("a2", 5, WEB))
        log.expect({"src_port": 5})
        os.rename(log.name, f"{log.name}.old")
        appctl(world, "h1", "fw/reopen-log")
        log.start = 0
        a1.send(datagram("a2", 6, WEB))
        log.expect({"src_port": 6})


# Counters.


def counted(world, host, port):
    """{rule_id: (packets, bytes)}, as the switch has them by now."""
    w.forget_cached(world.lab.host(host))
    rows = json.loads(appctl(world, host, "fw/rules", "--json",
                             w.BY_NAME[port].port))
    assert all(row["port"] == w.BY_NAME[port].port for row in rows)
    return {row["rule_id"]: (row["packets"], row["bytes"]) for row in rows}


@pytest.mark.parametrize("to", ["a2", "a3"])
def test_each_rule_counts_what_it_decides(world, firewall, to):
    firewall(**{to: [
        rule("Inbound", "Block", 5, rule_id="no", protocols="udp",
             dst_ports=str(OTHER)),
        rule("Inbound", priority=6, rule_id="yes",
             src_ip_addresses="10.1.1.0/28,10.1.2.0/24", protocols="udp,tcp",
             dst_ports="1-9000,9100"),
        *only_out()]})
    host = w.BY_NAME[to].host
    assert counted(world, host, to)["no"] == (0, 0)
    with world.tap("a1") as a1, world.tap(to) as other:
        packets = [datagram(to, sport, OTHER) for sport in (1, 2, 3)]
        a1.send(*packets, datagram(to, 7, WEB))
        other.expect(lambda p: UDP in p and p[UDP].sport == 7, "datagram")
    until(lambda: counted(world, host, to)["no"][0] == 3, "three packets")
    found = counted(world, host, to)
    assert found["no"] == (3, sum(len(p) for p in packets))
    before = found["yes"]
    assert before[0] >= 1
    assert_answers(world, end("a1", 4), end(to, 4), WEB)
    until(lambda: counted(world, host, to)["yes"][0] >= before[0] + 2,
          "the answer's packets")


def test_what_people_are_shown(world, firewall):
    firewall(a1=[rule("Outbound", rule_id="out", protocols="tcp"),
                 rule("Inbound", "Block", 9, rule_id="in")], a2=allow_all())
    text = appctl(world, "h1", "fw/rules", w.BY_NAME["a1"].port).splitlines()
    assert text[0] == f"port {w.BY_NAME['a1'].port}"
    assert "Inbound  controller" in text[1]
    assert text[1].endswith("in: 9 block * * * * *")
    assert "packets" in text[2] and "out: 1000 allow 6 * * * *" in text[2]
    assert len(text) == 3
    everything = appctl(world, "h1", "fw/rules")
    assert "not counted, as everything passes" in everything
    assert f"port {w.BY_NAME['a2'].port}" in everything
    with_braces = "{" + w.BY_NAME["a1"].port.upper() + "}"
    assert appctl(world, "h1", "fw/rules", with_braces).splitlines()[0] == \
        text[0]
    assert appctl(world, "h1", "fw/rules", "nobody").strip() == ""
    for wrong in (["--xml"], ["--json", "--json"], ["one", "two"]):
        with pytest.raises(LabError, match="arguments are"):
            appctl(world, "h1", "fw/rules", *wrong)


def test_a_rule_id_may_be_any_text(world, firewall):
    """It cannot look like lines of others, and is the same in JSON."""
    name = 'a "b"\nport \x01\u00e9'
    firewall(a2=[rule("Inbound", rule_id=name, protocols="tcp", **LOGGED),
                 *only_out()])
    port = w.BY_NAME["a2"].port
    text = appctl(world, "h1", "fw/rules", port).splitlines()
    assert len(text) == 3
    assert 'a "b"?port ?\u00e9: ' in text[1]
    assert name in counted(world, "h1", "a2")
    log = Log(world, "h1")
    assert_connects(world, end("a1", 4), end("a2", 4), WEB)
    log.expect({"rule_id": name, "dst_port": WEB})
