# SPDX-License-Identifier: Apache-2.0
"""Tunnels that come to a host: what other hosts send, what they should not,
and what strangers do."""

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN

from alike import sent
from alike_policy import PAS
from wire import ZERO

STRANGERS = ["192.168.1.77", "2001:db8:1::77"]
ECN = [0, 0, 1, 2, 3]
VSIDS = [5001, 5002, 5003, 7001, 6001, 5004, 0, 0xffffff]


class Outside:
    """Who draws packets from 'rng' can put them into tunnels with this."""

    def often(self, usual, *others):
        """Mostly 'usual'."""
        return usual if self.rng.random() < 0.8 else self.rng.choice(others)

    def outside(self, inner):
        """What some host gets: 'inner' is a VSID and a frame."""
        rng = self.rng
        host = rng.choice(list(PAS))
        number = rng.randrange(2)
        family = 6 if ":" in PAS[host][number] else 4
        peers = [pa for h, pas in PAS.items() if h != host for pa in pas
                 if (":" in pa) == (family == 6)]
        src = self.often(rng.choice(peers), STRANGERS[family == 6],
                         PAS[host][number])
        ip = (IP(src=src, dst=PAS[host][number], id=0, flags="DF",
                 tos=rng.choice(ECN)) if family == 4
              else IPv6(src=src, dst=PAS[host][number],
                        tc=rng.choice(ECN)))
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
