# SPDX-License-Identifier: Apache-2.0
"""Random packets for the world of alike_policy.py: what guests send, good and
bad, and what comes to hosts by the underlay.

An attempt is a list of steps, each a list of frames.  What a step brings about
is over before the next."""

import dataclasses
import functools
import itertools
import random
import struct

from scapy.layers.inet import (ICMP, IP, TCP, UDP, IPOption_NOP, fragment)
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA,
    ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_Redirect, ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr, ICMPv6NDOptMTU, ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop, PadN, fragment6)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

import bypass_frames
import firewall_random
import world as w
import world_ipv6 as w6
from alike import sent
from alike_outside import TTLS, Outside
from alike_policy import QUIET, SHARED, VMS, ca_of
from alike_rewrite import own_guests
from trunk import tagged
from wire import BROADCAST, ZERO

MARK = b"HNVALIKE"
EXPERIMENT = 0x88b5             # Of no protocol (IEEE 802).
NOBODY = "00:15:5d:99:99:99"
GATEWAYS = {4: ["10.1.1.1", "10.1.2.254", "10.1.2.1", "10.1.3.1", "10.7.1.1"],
            6: ["2001:db8:a:1::1", "2001:db8:a:2::fe", "2001:db8:a:2::1",
                w6.ROUTER_LINK_LOCAL, "2001:db8:a:3::1"]}
NOWHERE = {4: ["10.1.1.99", "10.1.2.99", "10.1.3.99", "10.7.1.99",
               "172.16.5.9", "172.16.9.9", "198.51.100.1", "10.1.1.255",
               "10.1.1.0", "255.255.255.255", "127.0.0.1", "0.0.0.0",
               "169.254.1.1"],
           6: ["2001:db8:a:1::99", "2001:db8:a:2::99", "2001:db8:beef:5::9",
               "2001:db8:ffff::1", "fe80::1234", "::1", "::",
               "2001:db8:a:1::"]}
GROUPS = {4: ["224.0.0.1", "224.0.0.251", "239.1.2.3", "255.255.255.255"],
          6: ["ff02::1", "ff02::2", "ff02::fb", "ff05::1:3", "ff02::16"]}
RESERVED = ["01:80:c2:00:00:00", "01:80:c2:00:00:0e", "01:80:c2:00:00:10",
            "01:00:0c:cc:cc:cc"]
SIZES = [0, 1, 20, 100, 100, 600, 1300, 1370, 1400, 1420, 1432]
PORTS = [9, 53, 67, 80, 443, 4789, 33434, 40000]
ODD_WAYS = [("a1", "a2"), ("a1", "a3"), ("a3", "a1"), ("b1", "a3"),
            ("a2", "b2")]
SENDERS = [vm for vm in VMS if vm.name not in QUIET]
BY_NAME = {vm.name: vm for vm in reversed(SENDERS)}


def where_they_are(policy):
    """All who send, with all of their addresses, but on the hosts that the
    policy has them on."""
    hosts = {vm.name: vm.host for vm in policy.vms}
    return [dataclasses.replace(vm, host=hosts.get(vm.name, vm.host))
            for vm in SENDERS]


def link_local(vm):
    return w6.link_local(vm.mac)


def group_mac(group):
    """RFC 1112 and RFC 2464."""
    if ":" in group:
        return "33:33:" + ":".join(
            f"{b:02x}" for b in w6.ipaddress.IPv6Address(group).packed[-4:])
    last = [int(part) for part in group.split(".")]
    return (BROADCAST if group == "255.255.255.255" else
            f"01:00:5e:{last[1] & 127:02x}:{last[2]:02x}:{last[3]:02x}")


@functools.cache
def odd_frames(group, source, to):
    found = group(bypass_frames.Way(source, to))
    return [frames for frames in found.values() if frames]


class Packets(Outside):
    """Draws attempts."""

    def __init__(self, rng, policy):
        self.rng, self.policy = rng, policy
        self.numbers = itertools.count(1)
        self.of_firewall = firewall_random.Packets(rng)
        self.kinds = [self.unicast] * 8 + [
            self.arp, self.arp, self.solicitation, self.solicitation,
            self.advertisement, self.router_nd, self.group, self.no_ip,
            self.fragments, self.connection, self.connection, self.odd,
            self.odd, self.tunnelled, self.tunnelled, self.tunnelled,
            self.tunnelled_arp, self.truncated]
        self.guests = where_they_are(policy)
        self.own = own_guests(policy)
        if self.own:
            self.kinds += [self.rewritten] * 6 + [self.far] * 6
        if policy.rules:
            self.kinds += [self.firewalled] * 12

    def draw(self):
        return self.rng.choice(self.kinds)()

    # What packets are made of.

    def one(self, *items):
        return self.rng.choice(items)

    def two(self):
        return self.rng.choice(SENDERS), self.rng.choice(SENDERS)

    def family(self):
        return self.rng.choice([4, 6])

    def payload(self, size=None):
        size = self.rng.choice(SIZES) if size is None else size
        text = MARK + struct.pack("!I", next(self.numbers))
        return Raw(text + bytes(i & 0xff for i in range(max(
            size - len(text), 0))))

    def tag(self, vm, frame):
        """The guest's own VLAN, or now and then a wrong one."""
        vlans = [vm.vlan] if vm.vlan else []
        kind = self.rng.random()
        if kind < 0.02:
            vlans = [self.one(0, 1, 10, 20, 30, 4095)]
        elif kind < 0.03:
            vlans = [self.one(10, 20, 5), self.one(10, 5)]
        return tagged(frame, *vlans) if vlans else frame

    def from_guest(self, vm, *frames):
        return [sent(vm.name, self.tag(vm, f)) for f in frames]

    def link(self, vm, to, family):
        """Ethernet as a sane guest has it, mostly."""
        near = to is not None and to.vsid == vm.vsid
        usual = to.mac if near else w.ROUTER_MAC
        others = [w.ROUTER_MAC, NOBODY, BROADCAST, vm.mac, "02:00:00:00:00:01",
                  to.mac if to else NOBODY]
        return Ether(src=self.often(vm.mac, vm.mac, vm.mac, vm.mac, NOBODY,
                                    self.two()[0].mac),
                     dst=self.often(usual, *others),
                     type=0x0800 if family == 4 else 0x86dd)

    def ip(self, vm, dst, family, **fields):
        src = self.often(ca_of(vm, family), ca_of(vm, family),
                         ca_of(vm, family), ca_of(vm, family),
                         ca_of(self.two()[0], family),
                         self.one(*NOWHERE[family]))
        ttl, tos = self.one(*TTLS), self.one(0, 0, 0, 1, 2, 3, 0xb8, 0xff)
        if family == 4:
            return IP(src=src, dst=dst, ttl=ttl, tos=tos,
                      id=self.rng.getrandbits(16), **{
                          "flags": self.one(0, 0, "DF"), **fields})
        if link := self.rng.random() < 0.05:
            src = link_local(vm) if link else src
        return IPv6(src=src, dst=dst, hlim=ttl, tc=tos,
                    fl=self.one(0, 0, 0x12345), **fields)

    def destination(self, family):
        """(guest or None, address)"""
        kind = self.rng.random()
        if kind < 0.65:
            to = self.rng.choice(SENDERS)
            return to, ca_of(to, family)
        if kind < 0.75:
            return None, self.one(*GATEWAYS[family])
        if kind < 0.8:
            return None, SHARED[0 if family == 4 else 1]
        return None, self.one(*NOWHERE[family])

    def transport(self, family):
        kind = self.rng.random()
        ports = {"sport": self.one(*PORTS), "dport": self.one(*PORTS)}
        if kind < 0.4:
            return UDP(**ports) / self.payload()
        if kind < 0.6:
            return TCP(**ports, flags=self.one("S", "A", "PA", "R")
                       ) / self.payload()
        if kind < 0.9:
            echo = (ICMP(type=self.one(8, 8, 0, 3, 13), id=77)
                    if family == 4 else self.one(
                        ICMPv6EchoRequest, ICMPv6EchoRequest, ICMPv6EchoReply,
                        ICMPv6DestUnreach)())
            return echo / self.payload()
        return self.payload()

    # Attempts.

    def unicast(self):
        """Known and unknown, near and far, right and wrong."""
        vm, family = self.rng.choice(SENDERS), self.family()
        to, dst = self.destination(family)
        body = self.transport(family)
        ip = self.ip(vm, dst, family)
        if isinstance(body, Raw):
            ip = self.ip(vm, dst, family, **(
                {"proto": 253} if family == 4 else {"nh": 253}))
        if self.rng.random() < 0.05:
            ip = self.with_options(ip)
        return [self.from_guest(vm, self.link(vm, to, family) / ip / body)]

    def with_options(self, ip):
        if IP in ip:
            ip.options = [IPOption_NOP()] * 4
            return ip
        return ip / self.one(IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt)(
            options=[PadN(optdata=bytes(4))])

    def arp(self):
        vm = self.rng.choice(SENDERS)
        to, dst = self.destination(4)
        own = ca_of(vm, 4)
        op = self.one(1, 1, 1, 1, 2, 2, 3, 9)
        spa = self.often(own, "0.0.0.0", dst, ca_of(self.two()[0], 4))
        usual = BROADCAST if op == 1 else self.one(BROADCAST, w.ROUTER_MAC)
        packet = Ether(
            src=self.often(vm.mac, NOBODY),
            dst=self.often(usual, w.ROUTER_MAC, to.mac if to else NOBODY)
        ) / ARP(op=op, hwsrc=self.often(vm.mac, NOBODY), psrc=spa,
                hwdst=self.one(ZERO, ZERO, BROADCAST, NOBODY),
                pdst=self.often(dst, own, spa))
        if self.rng.random() < 0.1:
            packet[ARP].hwtype = self.one(1, 6)
            packet[ARP].ptype = self.one(0x0800, 0x86dd)
        if self.rng.random() < 0.5:
            packet /= self.payload(18)
        return [self.from_guest(vm, packet)]

    def nd_options(self, vm, kind):
        """What may follow a message: usually the sender's MAC."""
        usual = [kind(lladdr=self.often(vm.mac, NOBODY))]
        return self.often(
            usual, [], usual * 2, [*usual, w6.nonce()], [w6.nonce(), *usual],
            [ICMPv6NDOptUnknown(type=1, len=0, data=b"")],
            [ICMPv6NDOptUnknown(type=1, len=2, data=bytes(14))],
            [ICMPv6NDOptUnknown(type=99, len=1, data=bytes(6)), *usual],
            [ICMPv6NDOptMTU()], [Raw(b"\1")], [Raw(b"\1\1")])

    def nd(self, vm, ip, message, options, mac):
        packet = Ether(src=self.often(vm.mac, NOBODY), dst=mac) / ip / message
        for option in options:
            packet /= option
        if self.rng.random() < 0.03:
            packet.getlayer(2).cksum = 0x1234
        return [self.from_guest(vm, packet)]

    def nd_target(self):
        kind = self.rng.random()
        if kind < 0.1:
            return self.one(*GROUPS[6])
        if kind < 0.2:
            return link_local(self.two()[0])
        return self.destination(6)[1]

    def solicitation(self):
        vm, target = self.rng.choice(SENDERS), self.nd_target()
        own = ca_of(vm, 6)
        if self.rng.random() < 0.1:
            target = own
        src = self.often(own, "::", link_local(vm), ca_of(self.two()[0], 6))
        dst, mac = self.often(
            w6.solicited_node(target), (target, w.ROUTER_MAC),
            (target, NOBODY), (w6.ALL_NODES, w6.ALL_NODES_MAC),
            (target, self.two()[0].mac))
        options = self.nd_options(vm, ICMPv6NDOptSrcLLAddr)
        if src == "::":
            options = self.often([], options, [w6.nonce()])
        ip = IPv6(src=src, dst=dst, hlim=self.often(255, 254, 64, 1))
        return self.nd(vm, ip, ICMPv6ND_NS(
            tgt=target, code=self.often(0, 1)), options, mac)

    def advertisement(self):
        vm = self.rng.choice(SENDERS)
        own = ca_of(vm, 6)
        to = self.rng.choice(SENDERS)
        dst, mac = self.one((w6.ALL_NODES, w6.ALL_NODES_MAC),
                            (ca_of(to, 6), to.mac),
                            (GATEWAYS[6][0], w.ROUTER_MAC))
        ip = IPv6(src=self.often(own, link_local(vm), ca_of(to, 6)),
                  dst=dst, hlim=self.often(255, 64))
        target = self.often(own, self.nd_target(), link_local(vm))
        return self.nd(vm, ip, ICMPv6ND_NA(
            tgt=target, R=self.one(0, 0, 1), S=self.one(0, 1),
            O=self.one(0, 1)), self.nd_options(vm, ICMPv6NDOptDstLLAddr), mac)

    def router_nd(self):
        """What a guest may ask, and what it may not say."""
        vm = self.rng.choice(SENDERS)
        group = self.one("ff02::2", "ff02::1")
        ip = IPv6(src=self.one(link_local(vm), ca_of(vm, 6), "::"), dst=group,
                  hlim=self.often(255, 64))
        message = self.one(ICMPv6ND_RS(), ICMPv6ND_RS(), ICMPv6ND_RA(),
                           ICMPv6ND_Redirect(tgt=ca_of(vm, 6),
                                             dst=ca_of(self.two()[0], 6)))
        return self.nd(vm, ip, message, self.nd_options(
            vm, ICMPv6NDOptSrcLLAddr), group_mac(group))

    def group(self):
        """Broadcast and multicast."""
        vm, family = self.rng.choice(SENDERS), self.family()
        dst = self.one(*GROUPS[family])
        link = Ether(src=vm.mac, dst=self.often(group_mac(dst), BROADCAST,
                                                w.ROUTER_MAC))
        return [self.from_guest(vm, link / self.ip(vm, dst, family)
                                / UDP(sport=68, dport=67) / self.payload())]

    def no_ip(self):
        vm, to = self.two()
        return [self.from_guest(vm, Ether(
            src=self.often(vm.mac, NOBODY), dst=self.one(
                BROADCAST, to.mac, w.ROUTER_MAC, NOBODY, *RESERVED),
            type=self.one(EXPERIMENT, 0x88cc, 0x8847, 0x0806, 0x0800, 0x86dd,
                          0x0026)) / self.payload(46))]

    def fragments(self):
        vm, family = self.rng.choice(SENDERS), self.family()
        to, dst = self.destination(family)
        link, body = self.link(vm, to, family), UDP(sport=9, dport=9)
        if family == 4:
            ip = self.ip(vm, dst, 4, flags=0)
            frames = fragment(link / ip / body / self.payload(2000), 1200)
        else:
            ip = self.ip(vm, dst, 6)
            frames = fragment6(
                link / ip / IPv6ExtHdrFragment(id=self.rng.getrandbits(32))
                / body / self.payload(2000), 1200)
        if self.rng.random() < 0.3:
            frames = self.rng.sample(frames, len(frames) - 1)
        return [self.from_guest(vm, *frames)]

    def connection(self):
        """Both sides of one, as if the guests had stacks."""
        vm, to = self.two()
        family = self.family()
        number = self.rng.randrange(1024, 65536)

        def way(source, sink, body):
            link = Ether(src=source.mac, dst=sink.mac
                         if source.vsid == sink.vsid else w.ROUTER_MAC)
            src, dst = ca_of(source, family), ca_of(sink, family)
            ip = (IP(src=src, dst=dst) if family == 4
                  else IPv6(src=src, dst=dst))
            return self.from_guest(source, link / ip / body / self.payload())

        ends = {"sport": number, "dport": self.one(*PORTS)}
        back = {"sport": ends["dport"], "dport": number}
        kind = self.one("tcp", "udp", "icmp")
        if kind == "tcp":
            return [way(vm, to, TCP(**ends, flags="S", seq=1)),
                    way(to, vm, TCP(**back, flags="SA", seq=1, ack=2)),
                    way(vm, to, TCP(**ends, flags="A", seq=2, ack=2)),
                    way(to, vm, TCP(**back, flags="PA", seq=2, ack=2))]
        if kind == "udp":
            return [way(vm, to, UDP(**ends)), way(to, vm, UDP(**back)),
                    way(vm, to, UDP(**ends))]
        there, back = ((ICMP(type=8, id=number), ICMP(type=0, id=number))
                       if family == 4 else
                       (ICMPv6EchoRequest(id=number),
                        ICMPv6EchoReply(id=number)))
        return [way(vm, to, there), way(to, vm, back)]

    def odd(self):
        """One of bypass_frames.py's."""
        source, to = self.one(*ODD_WAYS)
        frames = self.one(*odd_frames(self.one(*bypass_frames.GROUPS), source,
                                      to))
        return [[sent(source, f) for f in frames]]

    def firewalled(self):
        packet = self.of_firewall.draw()
        return [[sent(packet.source, f) for f in packet.frames]]

    def truncated(self):
        """Any of the others, cut."""
        steps = self.rng.choice(self.kinds)()
        frame = steps[0][0]
        least = 0 if "/" in frame.port else 14
        cut = self.rng.randrange(least, max(min(len(frame.data), 140),
                                            least + 1))
        return [[type(frame)(frame.port, frame.data[:max(cut, 1)])]]

    def tunnelled(self):
        """What hosts send each other about guests there and here, routed or
        not; or what nobody should."""
        source, to = self.often(self.apart(self.guests),
                                self.any(self.guests))
        family = self.family()
        src = self.often(ca_of(source, family), ca_of(source, family),
                         self.one(*NOWHERE[family]))
        dst = self.often(ca_of(to, family), *NOWHERE[family],
                         *GROUPS[family])
        ttl = self.one(*TTLS)
        ip = (IP(src=src, dst=dst, ttl=ttl, tos=self.one(0, 1, 2, 3))
              if family == 4 else IPv6(src=src, dst=dst, hlim=ttl))
        near = source.vsid == to.vsid
        link = Ether(src=self.often(source.mac if near else w.ROUTER_MAC,
                                    source.mac, w.ROUTER_MAC, NOBODY),
                     dst=self.often(to.mac, BROADCAST, w.ROUTER_MAC, NOBODY))
        if self.rng.random() < 0.05:
            link /= Dot1Q(vlan=self.one(0, 10, 20))
        body = self.transport(family)
        frame = (link / ip / body)
        return [self.outside((to.vsid, frame), source, to)]

    def tunnelled_arp(self):
        """Questions, announcements; of ND as well."""
        steps = self.one(self.arp, self.solicitation, self.advertisement,
                         self.group, self.no_ip)()
        frame = steps[0][0]
        source, to = self.apart(self.guests)
        vsid = self.often(to.vsid, BY_NAME[frame.port].vsid)
        return [self.outside((vsid, Raw(frame.data)), source, to)]


def draw_attempts(rng, policy, n):
    packets = Packets(random.Random(rng.getrandbits(64)), policy)
    return [packets.draw() for _ in range(n)]
