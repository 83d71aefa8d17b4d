# SPDX-License-Identifier: Apache-2.0
"""Rows of FW_Rules for the guests of world.py, and a way to set them."""

import json

from hnvlab import deliver, policy

import world as w

ADMIN, CONTROLLER = "RuleWithAdminPriority", "RuleWithControllerPriority"
DIRECTIONS = ("Inbound", "Outbound")


def rule(direction, action="Allow", priority=1000, **columns):
    """A rule for everything, but for what 'columns' say."""
    return {"protocols": "*", "src_ip_addresses": "*",
            "dst_ip_addresses": "*", "src_ports": "*", "dst_ports": "*",
            "priority": priority, "direction": direction, "action": action,
            "rule_type": CONTROLLER, "rule_state": "Enabled",
            "logging_state": "Disabled", **columns}


def allow_all():
    return [rule(direction, priority=65000) for direction in DIRECTIONS]


def deny_all(layer=CONTROLLER):
    return [rule(direction, "Block", 65500, rule_type=layer)
            for direction in DIRECTIONS]


def only_out():
    """Nothing may come in but answers."""
    return [rule("Outbound")]


def only_in(**columns):
    return [rule("Inbound", **columns)]


def vnic(guest):
    return policy.braced(w.BY_NAME[guest].port)


def set_rules(world, rules_of, forget=True):
    """Makes these the only rules of these guests, {guest: [rule]}, each
    host's at once; returns when the switches have them."""
    for host in sorted({w.BY_NAME[guest].host for guest in rules_of}):
        operations = []
        for guest in rules_of:
            if w.BY_NAME[guest].host == host:
                operations += _replace(guest, rules_of[guest])
        send(world, host, *operations, forget=forget)


def send(world, host, *operations, forget=True):
    """Operations on ms_firewall; returns when the switch has them."""
    deliver.deliver(world.lab.host(host).remote,
                    [["ms_firewall", *operations]])
    if forget:
        w.forget_cached(world.lab.host(host))


def _replace(guest, rules):
    return [{"op": "delete", "table": "FW_Rules",
             "where": [["vnic_id", "==", vnic(guest)]]}] + [
        policy.insert("FW_Rules", {"rule_id": f"rule-{i}", **row,
                                   "vnic_id": vnic(guest)})
        for i, row in enumerate(rules)]


def port_status(world, guest):
    for row in world.rows(w.BY_NAME[guest].host, "Physical_Port",
                          ["name", "status"]):
        if row["name"] == vnic(guest):
            return dict(row["status"][1])
    raise AssertionError(f"{guest} has no Physical_Port")


def diagnostics(world, host, table="FW_Rules"):
    """What the agent has to say about rows of a table."""
    return world.rows(host, "Diagnostic", ["table", "column", "text"],
                      [["table", "==", table]])


def forget_connections(world, *hosts):
    for host in hosts:
        world.lab.host(host).switch.appctl("dpctl/flush-conntrack")


def show(rules):
    """For the message of a failed test."""
    return "\n".join(json.dumps(row) for row in rules)
