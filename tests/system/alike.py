# SPDX-License-Identifier: Apache-2.0
"""Two labs that differ in nothing but the backend, and what each hears.

A frame goes into both, and what comes out of both must be the same: at every
guest's interface, and at every host's uplinks, where the underlay hears it.
There the names of ports are such as "h1/0", the first uplink of h1; a guest's
is the guest's.

What is random by design is made equal before it is compared: the port and
checksum of VXLAN, the FlowID of NVGRE, the MACs of the underlay."""

import collections
import concurrent.futures
import contextlib
import errno
import ipaddress
import json
import re
import select
import time
from dataclasses import dataclass

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from hnvlab import netns
from hnvlab.spec import UNDERLAY

import alike_rewrite
import world as w
from waiting import until
from wire import Tap, guest_tap

NOTHING = contextlib.nullcontext()
FENCE = b"HNVFENCE"
FENCE_S = 20
# The router answers a port no more often than 100 times a second.
FENCE_INTERVAL_S = 0.012
ETHER_BYTES = 14
TYPE_ARP, TYPE_IPV4, TYPE_IPV6 = b"\x08\x06", b"\x08\x00", b"\x86\xdd"
IPPROTO_UDP, IPPROTO_GRE = 17, 47
# MLD has a hop-by-hop header in front (RFC 3810 section 5).
IPPROTO_HOPOPTS, IPPROTO_ICMP, IPPROTO_ICMPV6 = 0, 1, 58
OF_HOSTS = IPPROTO_HOPOPTS, IPPROTO_ICMP, IPPROTO_ICMPV6
PROTOCOL_AT = {TYPE_IPV4: ETHER_BYTES + 9, TYPE_IPV6: ETHER_BYTES + 6}
PAYLOAD_AT = {TYPE_IPV4: ETHER_BYTES + 20, TYPE_IPV6: ETHER_BYTES + 40}
VXLAN_PORT = (4789).to_bytes(2, "big")


@dataclass(frozen=True)
class Sent:
    """A frame that a guest sends, or that comes to a host's uplink.  The
    latter is without its Ethernet header, which is each lab's own."""
    port: str
    data: bytes

    def __str__(self):
        """As HNV_REPLAY takes it."""
        return f"{self.port}={self.data.hex()}"


def sent(port, packet):
    data = bytes(packet)
    return Sent(port, data[ETHER_BYTES:] if is_uplink(port) else data)


def parse_sent(text):
    """The inverse of str(), for several with space between them."""
    return [Sent(port, bytes.fromhex(data)) for port, _, data in
            (word.partition("=") for word in text.split())]


def is_uplink(port):
    return "/" in port


def comparable(frame):
    """An uplink's frame without what is random, or None for what hosts have
    to say to each other and to routers.  (What only they have to say is not
    from one guest's PA to another's.)"""
    kind = frame[12:14]
    if kind not in PROTOCOL_AT:
        return None if kind == TYPE_ARP else frame
    protocol, at = frame[PROTOCOL_AT[kind]], PAYLOAD_AT[kind]
    if protocol == IPPROTO_UDP and frame[at + 2:at + 4] == VXLAN_PORT:
        return (frame[:at] + bytes(2) + frame[at + 2:at + 6] + bytes(2)
                + frame[at + 8:])
    if protocol == IPPROTO_GRE:
        return frame[:at + 7] + bytes(1) + frame[at + 8:]
    return (None if protocol in OF_HOSTS and not is_of_guests(frame[:at])
            else frame)


def is_of_guests(headers):
    """Ethernet and IP."""
    source, destination = ((headers[22:38], headers[38:54])
                           if len(headers) > 34 else
                           (headers[26:30], headers[30:34]))
    return {source, destination} <= alike_rewrite.ALL_OWN


class Side:
    """One of the labs.  'fences' are guests, one on each host, in a network
    that policies leave in peace."""

    def __init__(self, title, lab, fences):
        self.title, self.lab = title, lab
        self.world = w.World(lab)
        self.fences = fences
        self.taps = {guest: guest_tap(lab, guest) for guest in lab.guests}
        for i, host in enumerate(lab.hosts.values()):
            for j in range(len(host.pas)):
                self.taps[f"{host.name}/{j}"] = Tap(
                    lab.underlay.namespace, f"h{i}u{j}")
        self.port_of = {tap.socket: p for p, tap in self.taps.items()}
        self.names = {}         # MAC on the underlay -> whose.
        for member in (lab.underlay, *lab.hosts.values()):
            self._learn_names(member.namespace)
        self.fence_frames = [self._fence_frames(turn) for turn in (0, 1)]
        self.turn = 0
        self.last_fence = 0

    def close(self):
        for tap in self.taps.values():
            tap.close()

    def _learn_names(self, namespace):
        """Of bridges: uplinks have MACs, too, which nobody speaks to."""
        member = namespace.rpartition(".")[2].encode()
        text = netns.run(netns.command(namespace, ["ip", "-j", "link"]))
        for link in json.loads(text):
            number = re.fullmatch(r"(?:br-phy|net)(\d+)", link["ifname"])
            if number:
                self.names[bytes.fromhex(link["address"].replace(":", ""))
                           ] = b"%-4.4b%2.2b" % (member,
                                                 number.group(1).encode())

    def mac(self, member, number):
        """The inverse: of a host's bridge or an underlay's, by number."""
        name = b"%-4.4b%2.2b" % (member.encode(), str(number).encode())
        return next(mac for mac, n in self.names.items() if n == name)

    def send(self, frame):
        data = frame.data
        if is_uplink(frame.port):
            host, _, number = frame.port.partition("/")
            kind = TYPE_IPV6 if data[0] >> 4 == 6 else TYPE_IPV4
            data = (self.mac(host, number) + self._neighbour(frame.port, data)
                    + kind + data)
        try:
            self.taps[frame.port].send(data)
        except OSError as e:
            # What is longer than one end of the cable takes is lost.
            if e.errno not in (errno.ENOBUFS, errno.EMSGSIZE):
                raise

    def _neighbour(self, port, packet):
        """The MAC that this IP packet would come from, for a switch takes its
        tunnels' neighbours to be where their packets are from; and where a
        frame from the host's own MAC came from, it would send the answers."""
        host, _, number = port.partition("/")
        source = packet[8:24] if packet[0] >> 4 == 6 else packet[12:16]
        subnet = self.lab.spec.subnet_of(self.lab.host(host).pas[int(number)])
        for peer in self.lab.hosts.values():
            pa = ipaddress.ip_address(peer.pas[int(number)])
            if (source == pa.packed and pa in subnet.network
                    and peer.name != host):
                return self.mac(peer.name, number)
        index = self.lab.spec.underlay.index(subnet)
        return self.mac(UNDERLAY, index)

    def heard(self, rounds):
        """All that has come since the last time, {(port, frame): times}.

        Nothing of what was sent is on its way any more after 'rounds' of
        fences, each of which goes through the switches to all hosts, and to
        the agents.  (A switch that has read a frame sends what becomes of it
        before it reads the next, but for those that it read at once.)"""
        found = collections.Counter()
        for _ in range(rounds):
            until(lambda: not self._unread(), "the switches to read")
            self._fence(found)
        return found

    def _unread(self):
        """Bytes that wait for the hosts' switches in their sockets."""
        total = 0
        for host in self.lab.hosts.values():
            with netns.entered(host.namespace):
                with open("/proc/thread-self/net/packet",
                          encoding="ascii") as f:
                    total += sum(int(line.split()[6])
                                 for line in f.readlines()[1:])
        return total

    def _fence_frames(self, turn):
        """[(frame, who sends it, who gets it or the answer, and the text that
        it is known by)]: to each other, and to the gateway, for which the
        host's agent says that it has no such port."""
        frames = []
        for source in self.fences:
            for to in self.fences:
                text = f"{source.name} {to.name} {turn}".encode()
                is_gateway = source is to
                frames.append((bytes(
                    Ether(src=source.mac,
                          dst=w.ROUTER_MAC if is_gateway else to.mac)
                    / IP(src=source.cas[0],
                         dst=w.GATEWAY_A if is_gateway else to.cas[0])
                    / UDP() / (FENCE + text)), source.name, to.name, text))
        return frames

    def _fence(self, found):
        time.sleep(max(self.last_fence + FENCE_INTERVAL_S - time.monotonic(),
                       0))
        self.last_fence = time.monotonic()
        self.turn = 1 - self.turn
        waiting = set()
        for frame, source, to, text in self.fence_frames[self.turn]:
            self.taps[source].send(frame)
            waiting.add((to, text))
        deadline = time.monotonic() + FENCE_S
        while waiting:
            assert time.monotonic() < deadline, (
                f"{self.title}: no fence {sorted(waiting)}")
            self._read(found, waiting, 1)
        while self._read(found, waiting, 0):
            pass

    def _read(self, found, waiting, timeout):
        """Takes what is there, or comes first; whether anything did."""
        ready = select.select(list(self.port_of), [], [], timeout)[0]
        for sock in ready:
            port = self.port_of[sock]
            for frame in self.taps[port].frames():
                at = frame.find(FENCE)
                if at >= 0:
                    waiting.discard((port, frame[at + len(FENCE):]))
                    continue
                if is_uplink(port):
                    frame = comparable(self._named(frame))
                if frame is not None:
                    found[port, frame] += 1
        return bool(ready)

    def _named(self, frame):
        dst, src = frame[:6], frame[6:12]
        return (self.names.get(dst, dst) + self.names.get(src, src)
                + frame[12:])


class Pair:
    """Both."""

    def __init__(self, sides, rounds=2):
        self.sides = sides
        self.rounds = rounds
        self.pool = concurrent.futures.ThreadPoolExecutor(len(sides))

    def close(self):
        self.pool.shutdown()
        for side in self.sides:
            side.close()

    def each(self, function):
        """What function(side) returns for each of the sides, which are asked
        at the same time."""
        return list(self.pool.map(function, self.sides))

    def outcomes(self, frames, meanwhile=lambda side: NOTHING):
        """What becomes of these frames, on each side.  They are sent while
        the context meanwhile(side) lasts."""
        def run(side):
            with meanwhile(side):
                for frame in frames:
                    side.send(frame)
            return side.heard(self.rounds)
        return self.each(run)

    def titles(self):
        return [side.title for side in self.sides]
