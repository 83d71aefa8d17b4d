# SPDX-License-Identifier: Apache-2.0
"""What ms_firewall says of a packet, in few words and slowly.

    verdict(rows, packet, "Inbound")        "Allow" or "Block"

'rows' are a port's rows of FW_Rules, as dictionaries of text; 'packet' is a
scapy packet, whole (not a fragment of one), that begins a connection.  This
reads the rules as schema/ms_firewall.xml has them, shares no code with the
agent, and is what the agent is measured by."""

import ipaddress

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6

LAYERS = ("RuleWithAdminPriority", "RuleWithControllerPriority")
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}
WITH_PORTS = (6, 17)
EXTENSIONS = (0, 43, 60, 135)   # IPv6 headers that only lead to the next.


def verdict(rows, packet, direction):
    enabled = [r for r in rows if r["rule_state"] == "Enabled"]
    if not enabled:
        return "Block"
    facts = facts_of(packet)
    for layer in LAYERS:
        if layer_verdict([r for r in enabled if r["rule_type"] == layer],
                         facts, direction) == "Block":
            return "Block"
    return "Allow"


def layer_verdict(rules, facts, direction):
    if not rules:
        return "Allow"
    hits = [r for r in rules
            if r["direction"] == direction and matches(r, facts)]
    hits.sort(key=lambda r: (r["priority"], r["action"] != "Block"))
    return hits[0]["action"] if hits else "Block"


def facts_of(packet):
    """(source, destination, protocol, source port, destination port), None
    for what the packet does not have.  An ICMP type is in both ports'
    place."""
    if IP in packet:
        ip = packet[IP]
        protocol, rest = ip.proto, bytes(ip)[(bytes(ip)[0] & 15) * 4:]
    elif IPv6 in packet:
        ip = packet[IPv6]
        protocol, rest = bytes(ip)[6], bytes(ip)[40:]
        while protocol in EXTENSIONS:
            protocol, rest = rest[0], rest[rest[1] * 8 + 8:]
    else:
        return None, None, None, None, None
    source, destination = (ipaddress.ip_address(a) for a in (ip.src, ip.dst))
    sport = dport = None
    if protocol in WITH_PORTS:
        sport = int.from_bytes(rest[:2], "big")
        dport = int.from_bytes(rest[2:4], "big")
    elif protocol == PROTOCOLS["icmp" if ip.version == 4 else "icmpv6"]:
        sport = dport = rest[0]
    return source, destination, protocol, sport, dport


def matches(rule, facts):
    source, destination, protocol, sport, dport = facts
    if rule["protocols"] == "*" and protocol not in WITH_PORTS:
        sport = dport = None    # A type is no port unless ICMP is named.
    return (one_of(rule["src_ip_addresses"], source, in_addresses)
            and one_of(rule["dst_ip_addresses"], destination, in_addresses)
            and one_of(rule["protocols"], protocol, in_protocols)
            and one_of(rule["src_ports"], sport, in_numbers)
            and one_of(rule["dst_ports"], dport, in_numbers))


def one_of(text, value, contains):
    """Whether any item of a list has 'value' in it."""
    items = [item.strip() for item in text.split(",")]
    return any(item == "*" or value is not None and contains(item, value)
               for item in items)


def in_addresses(item, address):
    if "-" in item:
        first, last = map(ipaddress.ip_address, item.split("-"))
        return (first.version == address.version
                and first <= address <= last)
    return address in ipaddress.ip_network(item, strict=False)


def in_protocols(item, protocol):
    if item.lower() in PROTOCOLS:
        return PROTOCOLS[item.lower()] == protocol
    return in_numbers(item, protocol)


def in_numbers(item, number):
    first, _, last = item.partition("-")
    return int(first) <= number <= int(last or first)
