# SPDX-License-Identifier: Apache-2.0
"""Sending and seeing packets in a lab, with scapy as the decoder.

A Tap is a raw socket on one link.  It buffers from the moment it is made, so a
test makes its taps, sends, and then asks them: nothing is missed and nothing
has to be waited for longer than it takes.

That a packet did NOT come is asked with a fence: a packet that takes the same
way and does come.  What is not there shortly after the fence is not coming.
(Not before it: of the packets that it takes off a link at once, Open vSwitch's
userspace datapath sends those first that its cache does not know.)
"""

import contextlib
import select
import socket
import struct
import time

from hnvlab import capture, netns
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether

ETH_P_ALL = 3
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86dd
PACKET_OUTGOING = 4
BUFFER_BYTES = 8 << 20
SO_RCVBUFFORCE = 33
TIMEOUT = 10.0
LINGER = 0.03

BROADCAST = "ff:ff:ff:ff:ff:ff"
ZERO = "00:00:00:00:00:00"


class Tap:
    """A raw socket on 'link' in 'namespace'."""

    def __init__(self, namespace, link):
        self.namespace, self.link = namespace, link
        self.name = f"{namespace}/{link}"
        self.read_ahead = []    # As the socket gave them.
        with netns.entered(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE,
                                   BUFFER_BYTES)
            self.socket.setsockopt(capture.SOL_PACKET,
                                   capture.PACKET_AUXDATA, 1)
            self.socket.bind((link, ETH_P_ALL))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *packets):
        for packet in packets:
            self.socket.send(bytes(packet))

    def send_beside(self, packet):
        """Sends on the same link so that this tap sees it: a socket does not
        hear what it says itself."""
        with Tap(self.namespace, self.link) as other:
            other.send(packet)

    def packets(self, timeout=TIMEOUT, outgoing=False):
        """Yields packets as they come, for 'timeout' seconds.  Those that
        the namespace itself sent only if 'outgoing'."""
        for received in self._received(timeout):
            yield from self._decoded(received, outgoing)

    def _received(self, timeout):
        """What has come when the time is over is read, even if that takes
        longer on a busy machine; but not for ever."""
        deadline = time.monotonic() + timeout
        while self.read_ahead:
            yield self.read_ahead.pop(0)
        while True:
            left = deadline - time.monotonic()
            if (left < -TIMEOUT or not select.select(
                    [self.socket], [], [], max(left, 0))[0]):
                return
            yield self.socket.recvmsg(65536, 256)

    def frames(self):
        """What has come up to now, as bytes, but for what the namespace
        itself sent."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found += self._whole(self.socket.recvmsg(
                    65536, 256, socket.MSG_DONTWAIT), outgoing=False)
        return found

    @staticmethod
    def _whole(received, outgoing):
        """The frame with its tag."""
        data, control, _, address = received
        if outgoing or address[2] != PACKET_OUTGOING:
            for level, kind, auxdata in control:
                if (level, kind) == (capture.SOL_PACKET,
                                     capture.PACKET_AUXDATA):
                    data = capture.with_tag(data, auxdata)
            yield data

    def _decoded(self, received, outgoing):
        for data in self._whole(received, outgoing):
            yield Ether(data)

    def _overtaken(self, fence, outgoing):
        """What comes just after a fence.  It can be read once more."""
        late = list(self._received(LINGER))
        self.read_ahead = late
        for received in late:
            for packet in self._decoded(received, outgoing):
                if not fence(packet):
                    yield packet

    def expect(self, wanted, what, timeout=TIMEOUT, outgoing=False):
        """Returns the first packet for which wanted(packet) is true."""
        seen = []
        for packet in self.packets(timeout, outgoing):
            if wanted(packet):
                return packet
            seen.append(packet.summary())
        raise AssertionError(f"{self.name}: no {what} in {timeout} s; "
                             f"seen: {seen}")

    def until(self, fence, what, timeout=TIMEOUT, outgoing=False):
        """All packets before the first for which fence(packet) is true, and
        those that it may have overtaken."""
        before = []
        for packet in self.packets(timeout, outgoing):
            if fence(packet):
                return before + list(self._overtaken(fence, outgoing))
            before.append(packet)
        raise AssertionError(f"{self.name}: no {what} in {timeout} s; "
                             f"seen: {[p.summary() for p in before]}")


def guest_tap(lab, guest):
    return Tap(lab.guest(guest).namespace, "eth0")


def uplink_tap(lab, host, number=0):
    return Tap(lab.host(host).namespace, f"uplink{number}")


def arp_request(mac, spa, tpa, dst=BROADCAST):
    return Ether(src=mac, dst=dst) / ARP(
        op="who-has", hwsrc=mac, psrc=spa, hwdst=ZERO, pdst=tpa)


def is_arp_reply(packet, psrc=None):
    return (ARP in packet and packet[ARP].op == 2
            and (psrc is None or packet[ARP].psrc == psrc))


def echo(src_mac, dst_mac, src, dst, seq=1, ident=77, ttl=64, size=32):
    return (Ether(src=src_mac, dst=dst_mac) / IP(src=src, dst=dst, ttl=ttl)
            / ICMP(type=8, id=ident, seq=seq) / (b"x" * size))


def is_echo(packet, seq=None, src=None, dst=None, kind=8):
    return (ICMP in packet and packet[ICMP].type == kind
            and (seq is None or packet[ICMP].seq == seq)
            and (src is None or packet[IP].src == src)
            and (dst is None or packet[IP].dst == dst))


class Outer:
    """The outside of a packet on the underlay, taken apart by byte offset
    from the RFCs, so that it depends on nobody's idea of a tunnel."""

    def __init__(self, packet):
        ip = packet[IPv6] if packet.type == ETH_P_IPV6 else packet[IP]
        raw = bytes(ip)
        self.src, self.dst = ip.src, ip.dst
        if ip.version == 4:
            self.protocol, payload = raw[9], raw[(raw[0] & 15) * 4:]
        else:
            self.protocol, payload = raw[6], raw[40:]
        self.kind = None
        if self.protocol == 17:
            self._udp(payload)
        elif self.protocol == 47:
            self._gre(payload)

    def _udp(self, payload):
        self.sport, self.dport = struct.unpack("!HH", payload[:4])
        if self.dport == 4789:
            # RFC 7348 section 5: flags, 24 bits reserved, VNI, 8 reserved.
            self.kind = "vxlan"
            self.flags = payload[8]
            self.reserved = payload[9:12] + payload[15:16]
            self.vni = int.from_bytes(payload[12:15], "big")
            self.inner = Ether(payload[16:])

    def _gre(self, payload):
        # RFC 2784, RFC 2890: flags and version, protocol type, key.
        self.kind = "gre"
        self.flags, self.gre_protocol = struct.unpack("!HH", payload[:4])
        self.key = struct.unpack("!I", payload[4:8])[0]
        self.vsid, self.flow_id = self.key >> 8, self.key & 0xff
        self.inner = Ether(payload[8:])


def is_tunnelled(packet):
    return ((packet.type == ETH_P_IP or packet.type == ETH_P_IPV6)
            and Outer(packet).kind is not None)
