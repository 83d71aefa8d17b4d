# SPDX-License-Identifier: Apache-2.0
"""Frames by which a guest may try to get around a firewall that lets nothing
but UDP to port ALLOWED through.  Each carries MARK in what is forbidden."""

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply,
                                ICMPv6EchoRequest, ICMPv6PacketTooBig,
                                ICMPv6ParamProblem, ICMPv6TimeExceeded,
                                ICMPv6Unknown, IPv6, IPv6ExtHdrDestOpt,
                                IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, Jumbo, PadN, fragment6)
from scapy.layers.l2 import GRE, LLC, SNAP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

import world as w
from world_ipv6 import ca6

ALLOWED, FORBIDDEN = 9999, 10000
MARK = b"SMUGGLED"
BIG = MARK * 350                # More than two fragments hold.


class Way:
    """From one guest to another."""

    def __init__(self, source, to):
        self.source, self.to = source, to
        self.router = source[0] != to[0]

    def link(self, **fields):
        return Ether(src=w.mac(self.source), dst=w.ROUTER_MAC if self.router
                     else w.mac(self.to), **fields)

    def ip4(self, **fields):
        return IP(src=w.ca(self.source), dst=w.ca(self.to), **fields)

    def ip6(self, **fields):
        return IPv6(src=ca6(self.source), dst=ca6(self.to), **fields)

    def over4(self, payload, **fields):
        return self.link() / self.ip4(**fields) / payload

    def over6(self, payload, **fields):
        return self.link() / self.ip6(**fields) / payload


def udp(port=FORBIDDEN, text=MARK, sport=40000, **fields):
    return UDP(sport=sport, dport=port, **fields) / Raw(text)


def attempts(way):
    """{name: frames}"""
    return {name: frames for group in GROUPS
            for name, frames in group(way).items()}


def plain(way):
    """What no rule lets through, and what looks like an answer to it."""
    found = {}
    for over in (way.over4, way.over6):
        v = over.__name__
        found |= {
            f"{v} other port": [over(udp())],
            f"{v} reply": [over(udp(sport=ALLOWED))],
            f"{v} both ports": [over(udp(ALLOWED + 1, sport=ALLOWED))],
            f"{v} port 0": [over(udp(0))],
        }
        for flags in ("", "S", "SA", "A", "PA", "R", "RA", "F", "FA", "SF",
                      "SR", "FPU", "SAFRPU"):
            found[f"{v} tcp {flags}"] = [
                over(TCP(sport=sport, dport=dport, flags=flags) / MARK)
                for sport, dport in ((ALLOWED, 9), (9, ALLOWED))]
    return found


def quotes4(way):
    """What an ICMP error may say that it is about."""
    reverse = IP(src=w.ca(way.to), dst=w.ca(way.source))
    forward = way.ip4()
    return {"nothing": Raw(b""), "text": Raw(MARK * 4),
            "half a header": Raw(bytes(reverse)[:10] + MARK),
            "no ports": reverse / Raw(MARK[:4]),
            "a reply nobody had": reverse / udp(),
            "a connection of the wrong side": forward / udp(),
            "another's": IP(src="10.1.1.99", dst=w.ca(way.source)) / udp(),
            "an error": reverse / ICMP(type=3) / MARK}


def icmp4(way):
    found = {f"icmp {kind}": [way.over4(ICMP(type=kind) / MARK)]
             for kind in (0, 4, 8, 9, 10, 13, 14, 15, 17, 18, 40, 255)}
    for kind, code in ((3, 0), (3, 3), (3, 4), (4, 0), (5, 1), (11, 0),
                       (12, 0)):
        for name, quote in quotes4(way).items():
            found[f"icmp {kind},{code} about {name}"] = [
                way.over4(ICMP(type=kind, code=code) / quote / MARK)]
    return found


def icmp6(way):
    reverse = IPv6(src=ca6(way.to), dst=ca6(way.source))
    found = {f"icmp6 {kind}": [way.over6(ICMPv6Unknown(type=kind) / MARK)]
             for kind in (0, 5, 100, 127, 130, 138, 139, 143, 144, 160, 255)}
    found["icmp6 echo"] = [way.over6(ICMPv6EchoRequest(data=MARK))]
    found["icmp6 echo reply"] = [way.over6(ICMPv6EchoReply(data=MARK))]
    for error in (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded,
                  ICMPv6ParamProblem):
        for name, quote in (("nothing", Raw(b"")), ("text", Raw(MARK * 4)),
                            ("a reply nobody had", reverse / udp()),
                            ("a header", reverse),
                            ("an error", reverse / error() / MARK)):
            found[f"{error.__name__} about {name}"] = [
                way.over6(error() / quote / MARK)]
    return found


def protocols(way):
    inner4, inner6 = way.ip4() / udp(ALLOWED), way.ip6() / udp(ALLOWED)
    found = {f"protocol {n}": [way.over4(bytes(udp(ALLOWED)), proto=n)]
             for n in (0, 2, 33, 50, 51, 60, 61, 89, 103, 132, 136, 253, 255)}
    found |= {f"next header {n}": [way.over6(bytes(udp(ALLOWED)), nh=n)]
              for n in (1, 2, 33, 50, 59, 61, 89, 132, 136, 253, 255)}
    return {**found,
            "ip in ip": [way.over4(inner4, proto=4),
                         way.over6(inner4, nh=4)],
            "ipv6 in ip": [way.over4(inner6, proto=41),
                           way.over6(inner6, nh=41)],
            "gre": [way.over4(GRE() / inner4), way.over6(GRE() / inner6)],
            "icmp in ipv6": [way.over6(ICMP() / MARK, nh=1)],
            "icmpv6 in ipv4": [way.over4(b"\x80\0\0\0\0\0\0\0" + MARK,
                                         proto=58)]}


def fragments4(way):
    """RFC 1858, RFC 3128 and kin."""
    whole = bytes(TCP(sport=9, dport=ALLOWED, flags="S") / BIG)
    good = bytes(UDP(sport=9, dport=ALLOWED, len=1608) / (b"x" * 1600))
    bad = bytes(udp(text=MARK * 10))

    def piece(payload, offset, more, ident, proto=17):
        return way.over4(Raw(payload), id=ident, frag=offset // 8,
                         flags="MF" if more else 0, proto=proto)

    return {
        "fragmented": fragment(way.over4(udp(text=BIG), id=1), 1400),
        "fragmented backwards": fragment(
            way.over4(udp(text=BIG), id=2), 1400)[::-1],
        "small fragments": fragment(way.over4(udp(text=MARK * 40), id=3), 64),
        "tiny first fragment": [piece(whole[:8], 0, True, 4, 6),
                                piece(whole[8:1400], 8, False, 4, 6)],
        "later fragment alone": [piece(MARK * 10, 1480, False, 5),
                                 piece(MARK * 175, 1480, True, 6)],
        "ports overlapped": [piece(good[:1408], 0, True, 7),
                             piece(bad, 0, True, 7),
                             piece(good[1408:], 1408, False, 7)],
        "ports overlap": [piece(bad + MARK * 165, 0, True, 8),
                          piece(good[:1408], 0, True, 8),
                          piece(good[1408:], 1408, False, 8)],
        "overlapping the middle": [piece(good[:1408], 0, True, 9),
                                   piece(MARK * 60, 1200, False, 9)],
        "first twice": [piece(bad + MARK * 165, 0, True, 10)] * 2,
        "too long in all": [piece(MARK * 100, 65528, False, 11)],
        "more fragments, all there": [piece(bad, 0, True, 12)],
        "not first, offset 8": [piece(MARK * 170, 8, True, 13)],
        "do not fragment": [way.over4(udp(), flags="MF+DF", id=14)],
        "evil": [way.over4(udp(), flags=4, id=15)],
    }


def fragments6(way):
    def piece(payload, offset, more, ident, nh=17):
        return way.over6(IPv6ExtHdrFragment(
            nh=nh, offset=offset // 8, m=more, id=ident) / Raw(payload))

    bad = bytes(udp(text=MARK * 10))
    good = bytes(UDP(sport=9, dport=ALLOWED, len=1608) / (b"x" * 1600))
    twice = way.over6(IPv6ExtHdrFragment(nh=44, id=20)
                      / IPv6ExtHdrFragment(nh=17, id=21) / Raw(bad))
    behind = IPv6ExtHdrDestOpt(nh=17, options=[PadN(optdata=b"\0" * 4)])
    return {
        "v6 fragmented": fragment6(way.over6(
            IPv6ExtHdrFragment(id=22) / udp(text=BIG)), 1400),
        "v6 small fragments": [piece(bad[i:i + 8], i, i + 8 < len(bad), 23)
                               for i in range(0, len(bad), 8)],
        "v6 atomic fragment": [piece(bad, 0, 0, 24)],
        "v6 later fragment alone": [piece(MARK * 10, 1480, 0, 25)],
        "v6 ports overlapped": [piece(good[:1408], 0, 1, 26),
                                piece(bad, 0, 1, 26),
                                piece(good[1408:], 1408, 0, 26)],
        "v6 two fragment headers": [twice],
        "v6 header in the second": [
            piece(bytes(behind), 0, 1, 27, nh=60),
            piece(bad, 8, 0, 27, nh=60)],
        "v6 another next header later": [piece(bad, 0, 1, 28),
                                         piece(MARK * 10, 88, 0, 28, nh=6)],
    }


def options(way):
    texts = {
        "nop": b"\1" * 4, "all there can be": b"\1" * 40,
        "loose source route": b"\x83\7\4" + bytes(
            map(int, w.ca(way.to).split("."))) + b"\0",
        "record route": b"\7\x0b\4" + bytes(8) + b"\0",
        "timestamp": b"\x44\x0c\5\0" + bytes(8),
        "end, then junk": b"\0\1\2\3", "no length": b"\x83\0\0\0",
        "too long an option": b"\x83\xff\4\0",
        # Where they would be without options.
        "like ports": bytes(udp(ALLOWED))[:8]}
    return {f"options: {name}": [way.over4(
        Raw(text + bytes(udp())), ihl=5 + len(text) // 4, proto=17)]
            for name, text in texts.items()}


def extensions(way):
    pad = [PadN(optdata=b"\0" * 4)]
    hop, dest = IPv6ExtHdrHopByHop(options=pad), IPv6ExtHdrDestOpt(options=pad)
    chains = {
        "hop by hop": [hop], "destination": [dest], "both": [hop, dest],
        "hop by hop last": [dest, hop], "twice": [hop, hop],
        "ten": [dest] * 10, "thirty": [dest] * 30,
        "routing 0": [IPv6ExtHdrRouting(type=0, segleft=0)],
        "routing 0, one left": [IPv6ExtHdrRouting(
            type=0, segleft=1, addresses=["2001:db8::1"])],
        "routing 253": [IPv6ExtHdrRouting(type=253, segleft=3)],
        "jumbo": [IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=16)])],
    }
    found = {}
    for name, chain in chains.items():
        packet = way.link() / way.ip6()
        for header in chain:
            packet /= header.copy()
        found[f"header: {name}"] = [packet / udp()]
    # Some that scapy has no names for: next header 17, length 0 or a lie.
    for nh in (0, 43, 51, 60, 135, 139, 140):
        for length in (0, 1, 255):
            found[f"header {nh} of length {length}"] = [way.over6(
                Raw(bytes([17, length]) + bytes(6) + bytes(udp())), nh=nh)]
    # Here a port that is allowed is where one would look for it first.
    found["header like ports"] = [way.over6(
        Raw(bytes([17, 0]) + bytes(udp(ALLOWED))[2:8] + bytes(udp())),
        nh=60)]
    return found


def lengths(way):
    def bare(payload, size, **fields):
        """'size' bytes of IP; the rest is beyond its end."""
        return way.over4(Raw(payload), len=size, proto=17, **fields)

    ports = bytes(udp(ALLOWED))[:4]
    good = bytes(udp(ALLOWED, text=b""))
    raw4, raw6 = bytes(way.ip4() / udp()), bytes(way.ip6() / udp())
    return {
        "ports only": [bare(ports + MARK, 24)],
        "two bytes of them": [bare(ports + MARK, 22)],
        "none": [bare(MARK, 20)],
        "less than a header": [bare(MARK, 12)],
        "length 0": [bare(good + MARK, 0)],
        "longer than the frame": [bare(good + MARK, 1400)],
        "v6 ports only": [way.over6(Raw(ports + MARK), nh=17, plen=4)],
        "v6 none": [way.over6(Raw(MARK), nh=17, plen=0)],
        "v6 longer than the frame": [way.over6(Raw(good + MARK), nh=17,
                                               plen=1400)],
        "half of tcp": [way.over4(Raw(bytes(TCP(dport=ALLOWED))[:10] + MARK),
                                  len=30, proto=6)],
        "tcp offset": [way.over4(TCP(dport=ALLOWED, dataofs=n) / MARK)
                       for n in (0, 4, 15)],
        "udp length": [way.over4(udp(len=n)) for n in (0, 4, 7, 60000)],
        "udp checksum": [way.over4(udp(chksum=n)) for n in (0, 0xdead)],
        "ip checksum": [way.over4(udp(), chksum=0xdead)],
        "header length 4": [way.over4(udp(), ihl=4)],
        "header length 15": [way.over4(udp(), ihl=15)],
        "trailer": [way.over4(udp()) / Raw(MARK * 20)],
        "ttl 0": [way.over4(udp(), ttl=0)] if not way.router else [],
        "version": [way.over4(udp(), version=n) for n in (0, 5, 6, 15)],
        "v6 version": [way.over6(udp(), version=n) for n in (0, 4, 15)],
        "ipv6 as ipv4": [way.link(type=0x0800) / Raw(raw6)],
        "ipv4 as ipv6": [way.link(type=0x86dd) / Raw(raw4)],
    }


def tags(way):
    raw = bytes(way.ip4() / udp())
    link = way.link
    return {
        "priority tag": [link() / Dot1Q(vlan=0, type=0x0800) / Raw(raw)],
        "tag": [link() / Dot1Q(vlan=n, type=0x0800) / Raw(raw)
                for n in (1, 5, 4095)],
        "service tag": [link(type=0x88a8) / Dot1AD(vlan=5, type=0x0800)
                        / Raw(raw)],
        "two tags": [link() / Dot1Q(vlan=0) / Dot1Q(vlan=0, type=0x0800)
                     / Raw(raw)],
        "three tags": [link() / Dot1Q(vlan=0) / Dot1Q(vlan=0)
                       / Dot1Q(vlan=0, type=0x0800) / Raw(raw)],
        "half a tag": [link(type=0x8100) / Raw(b"\0")],
        "snap": [Ether(src=w.mac(way.source), dst=link().dst,
                       type=len(raw) + 8)
                 / LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(code=0x0800)
                 / Raw(raw)],
        "llc": [link(type=len(raw) + 3) / LLC(dsap=0x42, ssap=0x42, ctrl=3)
                / Raw(raw)],
        "other types": [link(type=kind) / Raw(head + raw) for kind, head in (
            (0x8864, b"\x11\0\0\1\0\x30\0\x21"), (0x8847, b"\0\1\1\x40"),
            (0x8848, b"\0\1\1\x40"), (0x6558, b""), (0x88b5, b""),
            (0x0801, b""), (0x86de, b""), (0x894f, b"\0" * 8),
            (0x8906, b""), (0x0600, b""), (0x9100, b"\0\5\x08\0"))],
    }


def first_packets(way):
    """The allowed before what differs from it in little, and after it."""
    found = {}
    for over in (way.over4, way.over6):
        v = over.__name__
        for bit in range(16):
            port = ALLOWED ^ 1 << bit
            sports = 1000 + bit, 2000 + bit
            found[f"{v} bit {bit} second"] = [
                over(udp(ALLOWED, b"", sports[0])),
                over(udp(port, sport=sports[0]))]
            found[f"{v} bit {bit} first"] = [
                over(udp(port, sport=sports[1])),
                over(udp(ALLOWED, b"", sports[1])),
                over(udp(port, sport=sports[1]))]
        found[f"{v} then tcp"] = [
            over(udp(ALLOWED, b"", 3000)),
            over(TCP(sport=3000, dport=ALLOWED, flags="A") / MARK),
            over(TCP(sport=3000, dport=ALLOWED) / MARK)]
        found[f"{v} then turned around"] = [
            over(udp(ALLOWED, b"", 3001)),
            over(udp(3001, sport=ALLOWED))]
    return found


GROUPS = (plain, icmp4, icmp6, protocols, fragments4, fragments6, options,
          extensions, lengths, tags, first_packets)
