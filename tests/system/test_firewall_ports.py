# SPDX-License-Identifier: Apache-2.0
"""Ports whose rules are missing or make no sense; rules and connections while
the agent is gone."""

import signal

import pytest

import world as w
from firewall_rules import (allow_all, diagnostics, only_in, only_out,
                            port_status, rule, send, vnic)
from guest_sockets import (Connection, Stream, assert_answers,
                           assert_connects, assert_no_answer,
                           assert_no_connection)
from hnvlab import policy as hnv_policy
from waiting import until
from world_ipv6 import description, end, policy

WEB, OTHER = 8080, 8081


@pytest.fixture(scope="module")
def world(make_lab):
    return w.World(make_lab(description()), policy("vxlan"))


# Ports without rules, and rules without sense.


@pytest.mark.parametrize("rules", [
    [], [rule("Inbound", rule_state="Disabled"),
         rule("Outbound", rule_state="Disabled")]])
def test_a_port_without_a_rule_is_blocked_and_says_so(world, firewall, rules):
    firewall(a2=rules)
    status = port_status(world, "a2")
    assert status["state"] == "blocked"
    assert status["reason"] == "PortBlocked"
    for ends in (("a1", "a2"), ("a2", "a1"), ("a2", "a3"), ("a4", "a2")):
        assert_no_answer(world, end(ends[0], 4), end(ends[1], 4), WEB)
    assert_no_answer(world, end("a2", 6), end("a3", 6), WEB)
    assert_answers(world, end("a1", 4), end("a3", 4), WEB)
    firewall(a2=allow_all())
    assert port_status(world, "a2")["state"] == "active"
    assert_answers(world, end("a1", 4), end("a2", 4), WEB)


@pytest.mark.parametrize("column, value", [
    ("src_ip_addresses", "10.1.1.300"), ("dst_ip_addresses", ""),
    ("src_ip_addresses", "10.1.1.9-10.1.1.3"), ("dst_ports", "70000"),
    ("src_ip_addresses", "10.1.1.1-2001:db8::1"),
    ("dst_ip_addresses", "10.1.1.0/33"),
    ("src_ip_addresses", "::ffff:10.1.1.0/24"), ("src_ports", "80-"),
    ("dst_ports", "9-1"), ("dst_ports", "http"), ("dst_ports", "80,,81"),
    ("protocols", "tpc"), ("protocols", "256"), ("protocols", "")])
def test_a_rule_that_makes_no_sense_blocks_its_port(world, firewall, column,
                                                    value):
    firewall(a2=[*allow_all(), rule("Inbound", priority=5, **{column: value})])
    found = diagnostics(world, "h1")
    assert [d["column"] for d in found] == [column]
    assert '"' + ("" if ",," in value else value) + '"' in found[0]["text"]
    assert port_status(world, "a2")["state"] == "blocked"
    assert_no_answer(world, end("a1", 4), end("a2", 4), WEB)
    assert_no_answer(world, end("a2", 4), end("a3", 4), WEB)
    assert_answers(world, end("a1", 4), end("a3", 4), WEB)
    firewall(a2=allow_all())
    assert not diagnostics(world, "h1")
    assert_answers(world, end("a1", 4), end("a2", 4), WEB)


def test_ports_of_a_protocol_that_has_none_make_no_sense(world, firewall):
    firewall(a2=[*allow_all(), rule("Inbound", protocols="tcp,gre",
                                    dst_ports="80")])
    assert [d["column"] for d in diagnostics(world, "h1")] == ["dst_ports"]
    assert port_status(world, "a2")["state"] == "blocked"


def test_a_rule_for_nobody_here_is_no_trouble(world):
    """Its port may come later."""
    row = {**rule("Inbound"), "rule_id": "early",
           "vnic_id": hnv_policy.guid("nobody")}
    send(world, "h1", hnv_policy.insert("FW_Rules", row))
    assert not diagnostics(world, "h1")
    send(world, "h1", {"op": "delete", "table": "FW_Rules",
                       "where": [["rule_id", "==", "early"]]})


@pytest.mark.parametrize("spelling", [
    lambda guid: guid.strip("{}"), str.upper,
    lambda guid: guid.strip("{}").upper()])
def test_a_vnic_is_known_by_any_spelling_of_its_name(world, firewall,
                                                     spelling):
    firewall(a2=[])
    rows = [{**row, "rule_id": f"spelt-{i}",
             "vnic_id": spelling(vnic("a2"))}
            for i, row in enumerate(allow_all())]
    try:
        send(world, "h1", *[hnv_policy.insert("FW_Rules", row)
                            for row in rows])
        assert port_status(world, "a2")["state"] == "active"
        assert_answers(world, end("a1", 4), end("a2", 4), WEB)
    finally:
        send(world, "h1", *[
            {"op": "delete", "table": "FW_Rules",
             "where": [["vnic_id", "==", row["vnic_id"]]]} for row in rows])


# The agent restarts; the controller counts.


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_connections_outlive_the_agent(world, firewall, how):
    """Replies pass that only the connection lets through, although there are
    other ports now than when it began."""
    firewall(a1=only_out(), a3=only_in())
    ends = end("a1", 4), end("a3", 4)
    with Connection(world, *ends, WEB) as connection, \
            Stream(world, *ends, WEB) as stream:
        for host in ("h1", "h3"):
            agent = world.lab.host(host).agent
            agent.stop(how)
            connection.assert_alive()
            if host == "h1":
                world.lab.unplug(world.lab.guest("a2"))
            agent.start()
            send(world, host)
            connection.assert_alive()
        assert stream.numbers() == list(range(stream.sent))
    world.lab.plug(world.lab.guest("a2"))
    world.ping_soon("a1", w.ca("a2"))


def test_rules_hold_while_the_agent_is_gone(world, firewall):
    firewall(a3=only_in(protocols="tcp", dst_ports=str(WEB)))
    agent = world.lab.host("h2").agent
    agent.stop(signal.SIGKILL)
    try:
        assert_connects(world, end("a1", 4), end("a3", 4), WEB)
        assert_no_connection(world, end("a1", 4), end("a3", 4), OTHER)
    finally:
        agent.start()


def test_cur_cfg_follows(world):
    def numbers():
        with world.client("h1") as client:
            (row,) = client.transact("ms_firewall", {
                "op": "select", "table": "FW_Global", "where": [],
                "columns": ["cur_cfg", "next_cfg"]})[0]["rows"]
            return row["cur_cfg"], row["next_cfg"]

    send(world, "h1")
    cur, following = numbers()
    assert cur == following
    with world.client("h1") as client:
        client.transact("ms_firewall", {
            "op": "update", "table": "FW_Global", "where": [],
            "row": {"next_cfg": following + 41}})
    until(lambda: numbers() == (following + 41, following + 41),
          "cur_cfg to follow")
