# SPDX-License-Identifier: Apache-2.0
"""What comes to a host, in tunnels or with IP rewrite: what other hosts send,
what they should not, and what strangers do."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

import world as w
from alike import sent
from alike_policy import ISLAND, ca_of
from alike_rewrite import pa_of
from alike_ways import PAS
from trunk import tagged
from wire import ZERO

STRANGERS = ["192.168.1.77", "2001:db8:1::77"]
ECN = [0, 0, 1, 2, 3]
ECN_NO_CONGESTION = [0, 0, 1, 2]
NO_PROTOCOL = 0, 43, 44, 51, 60     # Or perhaps none: more headers of IPv6.
TTLS = [64, 64, 64, 64, 255, 2, 1, 1, 0]
VSIDS = [5001, 5002, 5003, 7001, 6001, 5004, 0, 0xffffff]


def ecn_for(frame):
    """What a tunnel around it may have.  Congestion goes over to the packet
    inside unless that is of IP protocol zero, as Open vSwitch sees it; but
    it may go over to that, too, by a megaflow that was made for another one,
    and which packets have one megaflow is not the same with both backends."""
    inner = Ether(bytes(frame))
    is_certain = ((IP not in inner or inner[IP].proto)
                  and (IPv6 not in inner or inner[IPv6].nh not in NO_PROTOCOL))
    return ECN if is_certain else ECN_NO_CONGESTION


class Outside:
    """Who draws packets from 'rng', with what Packets has for this, can send
    them from other hosts.  'own' are the guests with IP rewrite."""

    def often(self, usual, *others):
        """Mostly 'usual'."""
        return usual if self.rng.random() < 0.8 else self.rng.choice(others)

    def outside(self, inner, source, to):
        """What comes from the host of guest 'source' to that of 'to', mostly;
        'inner' is a VSID and a frame."""
        rng = self.rng
        host = self.often(to.host, *PAS)
        number = rng.randrange(2)
        src = self.often(PAS[source.host][number], STRANGERS[number],
                         *[pas[number] for pas in PAS.values()])
        ecn = rng.choice(ecn_for(inner[1]))
        ip = (IP(src=src, dst=PAS[host][number], id=0, flags="DF",
                 tos=ecn) if number == 0
              else IPv6(src=src, dst=PAS[host][number], tc=ecn))
        packet = rng.choice((self._in_vxlan, self._in_nvgre))(inner)
        return [sent(f"{host}/{number}", Ether(src=ZERO, dst=ZERO) / ip
                     / packet)]

    def _vsid(self, usual):
        return self.often(usual, *VSIDS)

    def _in_vxlan(self, inner):
        vsid, frame = inner
        flags = self.often(8, 0, 0xff, 0x0c)
        return (UDP(sport=self.rng.randrange(49152, 65536), dport=4789,
                    chksum=0) / VXLAN(flags=flags, vni=self._vsid(vsid),
                                      reserved2=self.often(0, 1)) / frame)

    def _in_nvgre(self, inner):
        vsid, frame = inner
        flow = self.rng.getrandbits(8)
        kind = self.rng.random()
        key = self._vsid(vsid) << 8 | flow
        if kind < 0.9:
            return GRE(proto=0x6558, key_present=1, key=key) / frame
        return self.rng.choice((
            GRE(proto=0x6558), GRE(proto=0x0800, key_present=1, key=key),
            GRE(proto=0x6558, key_present=1, key=key, seqnum_present=1,
                sequence_number=1),
            GRE(proto=0x6558, key_present=1, key=key, chksum_present=1),
        )) / frame

    # IP rewrite.

    def far(self):
        """As a guest's packet to one on another host is, but for the TTL."""
        vm, to = self.apart(self.own)
        family = self.family()
        near = vm.vsid == to.vsid
        src, dst = ca_of(vm, family), ca_of(to, family)
        ttl = self.one(64, 64, 64, 5, 4, 3, 2)
        ip = (IP(src=src, dst=dst, ttl=ttl, flags=self.one(0, "DF"),
                 tos=self.one(0, 1, 2, 3, 0xb8)) if family == 4 else
              IPv6(src=src, dst=dst, hlim=ttl))
        link = Ether(src=vm.mac, dst=to.mac if near else w.ROUTER_MAC)
        return [[sent(vm.name, tagged(link / ip / self.transport(family),
                                      *[vm.vlan] * bool(vm.vlan)))]]

    def apart(self, guests):
        """Two of them on two hosts of one network, if there are any."""
        vm = self.rng.choice(guests)
        peers = [to for to in guests if to.host != vm.host
                 and (to.vsid == ISLAND) == (vm.vsid == ISLAND)]
        return vm, self.rng.choice(peers or guests)

    def any(self, guests):
        """Two of them, or the same twice."""
        return self.rng.choice(guests), self.rng.choice(guests)

    def rewritten(self):
        """From the PA of a guest to that of another, or of somebody else."""
        source, to = self.often(self.apart(self.own), self.any(self.own))
        family = self.family()
        src, dst = pa_of(source, family), pa_of(to, family)
        ttl, tos = self.one(*TTLS), self.one(0, 1, 2, 3, 0xb8)
        ip = (IP(src=src, dst=dst, ttl=ttl, tos=tos,
                 flags=self.one(0, "DF"), id=self.rng.getrandbits(16))
              if family == 4 else IPv6(src=src, dst=dst, hlim=ttl, tc=tos))
        return [self._bare(to.host, ip, self._carried(ip, source, to, family))]

    def _carried(self, ip, source, to, family):
        """What may be behind a header; now and then an error that quotes
        what was sent, as it was on the way or before."""
        kind = self.rng.random()
        if kind > 0.2:
            return self.transport(family)
        src, dst = self.one((ip.dst, ip.src),
                            (ca_of(to, family), ca_of(source, family)))
        quoted = (IP if family == 4 else IPv6)(src=src, dst=dst) / UDP(
            sport=9, dport=9) / self.payload(20)
        return (ICMP(type=self.one(3, 11), code=self.one(0, 1, 3))
                if family == 4 else ICMPv6DestUnreach()) / Raw(bytes(quoted))

    def _bare(self, host, ip, body):
        """What a host gets, mostly as it is, without a tunnel."""
        number = 0 if ip.version == 4 else 1
        ip.src = self.often(ip.src, STRANGERS[number],
                            *[pas[number] for pas in PAS.values()])
        ip.dst = self.often(ip.dst, PAS[host][number])
        host = self.often(host, *PAS)
        return [sent(f"{host}/{number}", Ether(src=ZERO, dst=ZERO) / ip
                     / body)]
