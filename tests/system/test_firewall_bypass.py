# SPDX-License-Identifier: Apache-2.0
"""Ways around the firewall that lead nowhere, over VXLAN and over NVGRE."""

import contextlib

import pytest
from scapy.layers.inet import ICMP, IP, UDP, IPOption_NOP, fragment
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA,
                                ICMPv6ND_Redirect, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr,
                                IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, PadN, fragment6)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

import world as w
from bypass_frames import (ALLOWED, BIG, FORBIDDEN, MARK, Way, attempts, udp)
from firewall_rules import allow_all, rule
from wire import BROADCAST
from world_ipv6 import (ALL_NODES, ALL_NODES_MAC, ca6, description,
                        link_local, policy)

WAYS = [("a1", "a2"), ("a1", "a3"), ("a1", "b1"), ("a1", "b2")]
NEAR_WAYS = WAYS[:2]
TRIES_AT_ONCE = 16              # A switch's socket holds what they send.


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    return w.World(make_lab(description()), policy(request.param))


def only_allowed(direction, **columns):
    """Rules that let ALLOWED through, and everything the other way."""
    other = "Outbound" if direction == "Inbound" else "Inbound"
    return [rule(other), rule(direction, protocols="udp",
                              dst_ports=str(ALLOWED), **columns)]


class Sending:
    """Taps on both ends of a way."""

    def __init__(self, world, way):
        self.way = way
        self.tap, self.other = world.tap(way.source), world.tap(way.to)
        self.fences = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tap.close()
        self.other.close()

    def send(self, frames):
        self.tap.send(*frames)

    def arrived(self):
        """All that came so far."""
        self.fences += 1
        text = b"fence %d." % self.fences
        self.send([self.way.over4(udp(ALLOWED, text, 50000 + self.fences))])
        return self.other.until(lambda p: text in bytes(p), "fence")


def leaked(sending, frames):
    sending.send(frames)
    return [p for p in sending.arrived() if MARK in bytes(p)]


def expect(sending, frame):
    sending.send([frame])
    sending.other.expect(lambda p: MARK in bytes(p), "packet")


def successes(sending, tries):
    """{name: what got through}, of {name: frames}."""
    names, found = list(tries), {}
    for i in range(0, len(names), TRIES_AT_ONCE):
        some = names[i:i + TRIES_AT_ONCE]
        if leaked(sending, [f for name in some for f in tries[name]]):
            one_by_one = {n: leaked(sending, tries[n]) for n in some}
            found |= {n: [p.summary() for p in seen]
                      for n, seen in one_by_one.items() if seen}
    return found


@pytest.mark.parametrize("side", ["Outbound", "Inbound"])
@pytest.mark.parametrize("source, to", WAYS)
def test_nothing_gets_around(world, firewall, source, to, side):
    """Wherever the rules are."""
    firewall(**{source if side == "Outbound" else to: only_allowed(side)})
    with Sending(world, Way(source, to)) as sending:
        assert not successes(sending, attempts(sending.way))


@pytest.mark.parametrize("side", ["Outbound", "Inbound"])
@pytest.mark.parametrize("source, to", WAYS)
def test_what_is_odd_but_allowed_gets_through(world, firewall, source, to,
                                              side):
    """The verdict is the rule's."""
    way = Way(source, to)
    firewall(**{source if side == "Outbound" else to: only_allowed(side)})
    pad = [PadN(optdata=b"\0" * 4)]
    whole = [
        way.over4(udp(ALLOWED), options=[IPOption_NOP()] * 4),
        way.over4(udp(ALLOWED, chksum=0)),
        way.over4(udp(ALLOWED)) / Raw(b"trailer!" * 20),
        way.over6(IPv6ExtHdrHopByHop(options=pad) / udp(ALLOWED)),
        way.over6(IPv6ExtHdrDestOpt(options=pad) / udp(ALLOWED)),
        way.over6(IPv6ExtHdrHopByHop(options=pad)
                  / IPv6ExtHdrDestOpt(options=pad) / udp(ALLOWED)),
        way.over4(udp(ALLOWED, b"")) / Raw(MARK)]
    big4 = way.over4(udp(ALLOWED, BIG), id=77)
    big6 = way.over6(IPv6ExtHdrFragment(id=77) / udp(ALLOWED, BIG))
    with Sending(world, way) as sending:
        for packet in whole:
            expect(sending, packet)
        for pieces in (fragment(big4, 1400), fragment6(big6, 1400)):
            sending.send(pieces)
            for _ in pieces:
                sending.other.expect(lambda p: MARK in bytes(p), "fragment")


# Answers, and errors, next to a connection that is really there.


def opened(sending, answer):
    """The receiver begins a connection, from port 5000 to 6000."""
    way = sending.way
    back = Way(way.to, way.source)
    with_text = (back.over4 if answer == 4 else back.over6)(
        udp(6000, b"opening", 5000))
    sending.other.send(with_text)
    sending.tap.expect(lambda p: b"opening" in bytes(p), "opening")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("source, to", WAYS)
def test_only_the_answer_is_an_answer(world, firewall, source, to, family):
    firewall(**{to: only_allowed("Inbound")})
    with Sending(world, Way(source, to)) as sending:
        over = sending.way.over4 if family == 4 else sending.way.over6
        opened(sending, family)
        expect(sending, over(udp(5000, sport=6000)))
        assert not leaked(sending, [
            over(udp(5001, sport=6000)), over(udp(5000, sport=6001)),
            over(udp(6000, sport=5000)), over(udp(5000 ^ 0x8000, sport=6000)),
            *[over(bytes(udp(5000, sport=6000)), **protocol)
              for n in (6, 132, 136, 253)
              for protocol in [{"proto": n} if family == 4 else {"nh": n}]]])


@pytest.mark.parametrize("to", ["a2", "a3"])
def test_an_error_is_about_what_it_quotes(world, firewall, to):
    """One about the connection passes, others do not."""
    firewall(**{to: only_allowed("Inbound")})
    with Sending(world, Way("a1", to)) as sending:
        way = sending.way
        opened(sending, 4)

        def about(sport, dport, dst=None, protocol=UDP):
            return way.over4(ICMP(type=3, code=3)
                             / IP(src=w.ca(to), dst=dst or w.ca("a1"))
                             / protocol(sport=sport, dport=dport) / MARK)

        expect(sending, about(5000, 6000))
        assert not leaked(sending, [
            about(5000, 6001), about(5001, 6000), about(6000, 5000),
            about(5000, 6000, w.ca("a4"))])


@pytest.mark.parametrize("to", ["a2", "a3"])
def test_a_connection_is_of_two_guests_only(world, firewall, to):
    """a1's way in is not a4's, nor a1's with another receiver."""
    other = "a3" if to == "a2" else "a2"
    firewall(**{to: only_allowed("Inbound"), other: only_allowed("Inbound")})
    with Sending(world, Way("a1", to)) as sending:
        opened(sending, 4)
    answer = udp(5000, sport=6000)
    for source, target in (("a4", to), ("b2", to), ("a1", other)):
        with Sending(world, Way(source, target)) as sending:
            assert not leaked(sending, [sending.way.over4(answer)])


@pytest.mark.parametrize("to", ["a2", "a3"])
@pytest.mark.parametrize("first", ["allowed", "forbidden"])
def test_a_megaflow_for_one_is_not_for_another(world, firewall, first, to):
    """Neither by destination nor by source."""
    firewall(a1=only_allowed("Outbound", dst_ip_addresses=w.ca(to)),
             **{to: only_allowed("Inbound", src_ip_addresses=w.ca("a1"))})
    good, bad = Way("a1", to), [Way("a1", "a4"), Way("a4", to)]
    with contextlib.ExitStack() as stack:
        taps = {g: stack.enter_context(world.tap(g)) for g in ("a1", "a4")}
        sending = stack.enter_context(Sending(world, good))
        for port in range(2000, 2010):
            frames = [(way, way.over4(udp(ALLOWED, sport=port)))
                      for way in bad]
            turn = [(good, good.over4(udp(ALLOWED, b"fine", port)))]
            for way, frame in (turn + frames if first == "allowed"
                               else frames + turn):
                taps[way.source].send(frame)
        seen = sending.arrived()
        assert not [p for p in seen if MARK in bytes(p)]
        assert len([p for p in seen if b"fine" in bytes(p)]) == 10
        firewall(a1=allow_all(), a4=allow_all())
        with Sending(world, Way("a1", "a4")) as last:
            # Its tap is new, a4's of before has heard all.
            last.arrived()
            heard = taps["a4"].until(lambda p: b"fence 1." in bytes(p),
                                     "fence")
            assert not [p for p in heard if MARK in bytes(p)
                        and p.src == w.mac("a1")]


# What is not a matter of rules, and has no way around them either.


def foreign_arp(way):
    """Frames of ARP's type that the switch cannot answer."""
    own, other = w.mac(way.source), w.mac(way.to)
    base = ARP(op=2, hwsrc=own, psrc=w.ca(way.source), hwdst=other,
               pdst=w.ca(way.to))
    bodies = [bytes(base)[:4]]      # And MARK, which is not enough.
    for at, value in ((0, b"\0\6"), (2, b"\x86\xdd"), (4, b"\x08"),
                      (5, b"\x10"), (6, b"\0\0"), (6, b"\0\3"), (6, b"\0\4"),
                      (6, b"\0\x08"), (6, b"\0\x09"), (6, b"\xff\xff")):
        raw = bytearray(bytes(base))
        raw[at:at + len(value)] = value
        bodies.append(bytes(raw))
    return [Ether(src=own, dst=dst, type=kind) / Raw(body + MARK * 2)
            for body in bodies for dst in (other, BROADCAST)
            for kind in (0x0806, 0x8035)]


def spoofed_arp(way):
    own, other = w.mac(way.source), w.mac(way.to)
    return [Ether(src=own, dst=dst) / ARP(
        op=op, hwsrc=hwsrc, psrc=psrc, hwdst=other, pdst=w.ca(way.to))
            / Raw(MARK)
            for op in (1, 2) for dst in (other, BROADCAST)
            for hwsrc, psrc in ((own, w.ca("a4")), (own, w.GATEWAY_A),
                                (other, w.ca(way.source)),
                                (w.mac("a4"), w.ca(way.source)),
                                (own, w.ca(way.to)))]


@pytest.mark.parametrize("side", ["Outbound", "Inbound"])
@pytest.mark.parametrize("source, to", NEAR_WAYS)
@pytest.mark.parametrize("make", [foreign_arp, spoofed_arp])
def test_arp_carries_nothing_else(world, firewall, make, source, to, side):
    firewall(**{source if side == "Outbound" else to: only_allowed(side)})
    with Sending(world, Way(source, to)) as sending:
        assert not leaked(sending, make(sending.way))


def spoofed_nd(way):
    own, other = w.mac(way.source), w.mac(way.to)
    target = ca6("a4")

    def from_me(message, dst=None, hlim=255, headers=(), **ip):
        to, to_mac = dst or (ca6(way.to), other)
        packet = Ether(src=own, dst=to_mac) / IPv6(
            **{"src": ca6(way.source), "dst": to, "hlim": hlim, **ip})
        for header in headers:
            packet /= header
        return packet / message / Raw(MARK)

    lie = ICMPv6ND_NA(tgt=target, O=1) / ICMPv6NDOptDstLLAddr(lladdr=own)
    mine = ICMPv6ND_NA(tgt=ca6(way.source), O=1)
    pad = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
    hop = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
    every = ALL_NODES, ALL_NODES_MAC
    return [
        from_me(lie), from_me(lie, every), from_me(lie, src=target),
        from_me(lie, src=link_local(own)), from_me(lie, hlim=64),
        from_me(lie, headers=[pad]), from_me(lie, headers=[hop]),
        from_me(lie, headers=[hop, pad]),
        from_me(lie, headers=[IPv6ExtHdrFragment(nh=58, id=1)]),
        from_me(mine / ICMPv6NDOptDstLLAddr(lladdr=w.mac("a4"))),
        from_me(mine / ICMPv6NDOptDstLLAddr(lladdr=w.mac("a4")), every),
        from_me(ICMPv6ND_NA(tgt=ca6(way.to), O=1)
                / ICMPv6NDOptDstLLAddr(lladdr=own), every),
        from_me(ICMPv6ND_NS(tgt=ca6(way.to))
                / ICMPv6NDOptSrcLLAddr(lladdr=w.mac("a4"))),
        from_me(ICMPv6ND_NS(tgt=ca6(way.to))
                / ICMPv6NDOptSrcLLAddr(lladdr=own), src=target),
        from_me(ICMPv6ND_RA() / ICMPv6NDOptSrcLLAddr(lladdr=own), every,
                src=link_local(own)),
        from_me(ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo(prefix="2001:db8:9::"),
                src=link_local(own)),
        from_me(ICMPv6ND_RA(), headers=[pad], src=link_local(own)),
        from_me(ICMPv6ND_RA(), headers=[IPv6ExtHdrFragment(nh=58, id=2)],
                src=link_local(own)),
        from_me(ICMPv6ND_Redirect(tgt=ca6(way.source), dst=target),
                src=link_local(own)),
        from_me(ICMPv6ND_Redirect(tgt=ca6(way.source), dst=target),
                src=link_local(w.ROUTER_MAC))]


@pytest.mark.parametrize("side", ["Outbound", "Inbound"])
@pytest.mark.parametrize("source, to", NEAR_WAYS)
def test_neighbour_discovery_carries_no_lies(world, firewall, source, to,
                                             side):
    firewall(**{source if side == "Outbound" else to: only_allowed(side)})
    with Sending(world, Way(source, to)) as sending:
        frames = spoofed_nd(sending.way)
        found = [p.summary() for frame in frames
                 for p in leaked(sending, [frame])]
    assert not found


def test_the_frames_are_what_they_seem():
    """Each attempt has its mark somewhere."""
    found = attempts(Way("a1", "a2"))
    assert all(any(MARK[:8] in bytes(f) for f in frames)
               for name, frames in found.items() if name != "half a tag")
    assert FORBIDDEN != ALLOWED and len(found) > 250
