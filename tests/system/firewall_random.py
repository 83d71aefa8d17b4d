# SPDX-License-Identifier: Apache-2.0
"""Random firewall rules, and random packets that are likely to hit them.

Everything is drawn from small sets that overlap.  Each packet begins a
connection, and carries its number all through its payload, so that it is known
by any of its fragments."""

import itertools
import struct

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, fragment
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6Unknown, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, PadN, fragment6)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import world as w
from firewall_rules import ADMIN, CONTROLLER, DIRECTIONS, rule
from world_ipv6 import ca6

GUESTS = ["a1", "a2", "a3", "b1", "b2"]
ADDRESSES = [
    "10.1.1.11", "10.1.1.12", "10.1.2.12", "10.1.1.0/24", "10.1.2.0/24",
    "10.1.1.12/31", "10.0.0.0/8", "0.0.0.0/0", "10.1.1.12-10.1.2.11",
    "10.1.1.10-10.1.1.12", "2001:db8:a:1::11", "2001:DB8:A:2::12",
    "2001:db8:a:1::/64", "2001:db8:a::/48", "::/0",
    "2001:db8:a:1::12-2001:db8:a:2::11", "192.0.2.0/24"]
RULE_PORTS = ["53", "80", "443", "1000-1999", "80-443", "0-1023", "0-65535",
              "1024-65535", "79-81", "1001", "1999-2001"]
PORTS = [52, 53, 54, 79, 80, 81, 443, 444, 999, 1000, 1001, 1023, 1024, 1999,
         2000, 2001, 2002, 65535]
TYPES = ["8", "128", "0-127", "128-255", "8-13,128", "13", "130-140"]
PROTOCOLS = ["tcp", "udp", "icmp", "icmpv6", "6", "17", "1", "58", "6-17",
             "TCP", "100-199", "47", "150"]
# Of no meaning to the switch, and none whose header has to be right.
OTHERS = [*range(61, 89), *range(90, 103), *range(109, 132), *range(146, 253)]

MARK = b"HNVF"


def draw_rules(rng):
    """Rules of one port: now and then none that counts."""
    kind = rng.random()
    if kind < 0.04:
        return [rule("Inbound", rule_state="Disabled")] if kind < 0.02 else []
    layers = rng.choice([[CONTROLLER], [ADMIN], [ADMIN, CONTROLLER],
                         [ADMIN, CONTROLLER]])
    return [row for layer in layers for direction in DIRECTIONS
            for row in _draw_layer(rng, layer, direction)]


def _draw_layer(rng, layer, direction):
    rows = [_draw_rule(rng, layer, direction)
            for _ in range(rng.randrange(8))]
    if rng.random() < 0.8:
        rows.append(rule(direction, rng.choice(["Allow"] * 4 + ["Block"]),
                         rng.choice([103, 65000]), rule_type=layer))
    return rows


def _draw_rule(rng, layer, direction):
    protocols, ports = _draw_protocols(rng)
    return rule(
        direction, rng.choice(["Allow", "Allow", "Block"]),
        rng.randrange(100, 106), rule_type=layer,
        rule_state="Enabled" if rng.random() < 0.9 else "Disabled",
        src_ip_addresses=_draw_list(rng, ADDRESSES),
        dst_ip_addresses=_draw_list(rng, ADDRESSES),
        protocols=protocols, **ports)


def _draw_protocols(rng):
    """Ports, or an ICMP type in their place, where protocols have them."""
    kind = rng.random()
    if kind < 0.4:
        return (rng.choice(["tcp", "udp", "tcp,udp", "6", "17", "UDP, 6", "*",
                            "udp,icmp", "1, tcp, 58"]),
                {"src_ports": _draw_list(rng, RULE_PORTS, 0.6),
                 "dst_ports": _draw_list(rng, RULE_PORTS)})
    if kind < 0.6:
        return (rng.choice(["icmp", "icmpv6", "1,58", "icmp, icmpv6"]),
                {"src_ports": _draw_list(rng, TYPES, 0.8),
                 "dst_ports": _draw_list(rng, TYPES)})
    return _draw_list(rng, PROTOCOLS), {}


def _draw_list(rng, items, any_share=0.4):
    if rng.random() < any_share:
        return "*"
    chosen = rng.sample(items, rng.choice([1, 1, 2, 3, 4]))
    return rng.choice([",", ", "]).join(chosen)


class Packet:
    """'frames' are what a guest sends; 'whole' is what they say, in one."""

    def __init__(self, number, source, to, whole, frames=None):
        self.number, self.source, self.to = number, source, to
        self.whole = whole
        self.frames = [bytes(f) for f in frames or [whole]]

    def __str__(self):
        return (f"#{self.number} {self.source} -> {self.to} "
                f"({len(self.frames)} frames): {self.whole.summary()}")


def number_of(frame):
    """The number of the packet that 'frame' is of, or None."""
    at = frame.find(MARK)
    return (struct.unpack_from("!I", frame, at + len(MARK))[0]
            if 0 <= at <= len(frame) - 8 else None)


class Packets:
    """Draws packets of connections that no packet had since forget()."""

    def __init__(self, rng):
        self.rng = rng
        self.numbers = itertools.count(1)
        self.used = set()

    def forget(self):
        self.used.clear()

    def draw(self):
        while True:
            source, to = self.rng.sample(GUESTS, 2)
            is_v6 = self.rng.random() < 0.5
            number = next(self.numbers)
            protocol, header = self._draw_header(is_v6, number)
            key = frozenset([(source, getattr(header, "sport", None)),
                             (to, getattr(header, "dport", None))])
            is_echo = protocol in (1, 58)       # Has its number.
            if is_echo or (key, is_v6, protocol) not in self.used:
                self.used.add((key, is_v6, protocol))
                return self._make(number, source, to, is_v6, protocol, header)

    def _draw_header(self, is_v6, number):
        rng, kind = self.rng, self.rng.random()
        if kind < 0.7:
            protocol = rng.choice([6, 17])
            return protocol, (TCP if protocol == 6 else UDP)(
                sport=rng.choice(PORTS), dport=rng.choice(PORTS))
        if kind < 0.85:
            return ((58, self._draw_icmp6(number)) if is_v6
                    else (1, self._draw_icmp(number)))
        return rng.choice(OTHERS), None

    # No answers: those that answer nothing go nowhere, whatever rules say.
    def _draw_icmp(self, number):
        return ICMP(type=8 if self.rng.random() < 0.6
                    else self.rng.choice([9, 13, 40]), id=number & 0xffff)

    def _draw_icmp6(self, number):
        if self.rng.random() < 0.6:
            return ICMPv6EchoRequest(id=number & 0xffff)
        return ICMPv6Unknown(type=self.rng.choice([130, 144, 200]))

    def _make(self, number, source, to, is_v6, protocol, header):
        odd = self.rng.random()
        fragmented = odd < 0.08 and protocol in (6, 17)
        text = (MARK + struct.pack("!I", number)) * (370 if fragmented else 5)
        link = Ether(src=w.mac(source), dst=w.mac(to) if source[0] == to[0]
                     else w.ROUTER_MAC)
        rest = header / Raw(text) if header else Raw(text)
        if not is_v6:
            options = [IPOption_NOP()] * 4 if odd > 0.92 else []
            whole = link / IP(src=w.ca(source), dst=w.ca(to), proto=protocol,
                              id=number & 0xffff, options=options) / rest
            frames = fragment(whole, 1400) if fragmented else None
            return Packet(number, source, to, whole, frames)
        options = odd > 0.92
        whole = link / ip6(source, to, protocol, options) / rest
        frames = fragment6(
            link / ip6(source, to, protocol, options,
                       IPv6ExtHdrFragment(id=number, nh=protocol)) / rest,
            1400) if fragmented else None
        return Packet(number, source, to, whole, frames)


def ip6(source, to, protocol, options=False, last=None):
    """IPv6 headers of a packet of 'protocol'."""
    headers = []
    if options:
        headers = [IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]),
                   IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])]
    ip = IPv6(src=ca6(source), dst=ca6(to))
    for header in headers:
        ip /= header
    if last is not None:
        return ip / last
    ip.lastlayer().nh = protocol
    return ip
