# SPDX-License-Identifier: Apache-2.0
"""Packets of a host's uplinks, as they are on the wire, into a pcap file.

One file may take several uplinks, with Ethernet headers and VLAN tags whole;
capture tools give only one of the two.  And who waits for the line
"listening on" can be sure that no later packet is missing."""

import contextlib
import errno
import os
import select
import signal
import socket
import struct
import sys
import time

from . import netns
from .errors import LabError

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_AUXDATA = 8
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6

# struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid.
AUXDATA = struct.Struct("=IIIHHHH")
TIMESPEC = struct.Struct("=qq")

BUFFER_BYTES = 32 << 20
FRAME_MAX = 65536

PCAP_MAGIC_NANOSECONDS = 0xa1b23c4d
LINKTYPE_ETHERNET = 1


def capture(host, path, count=None, seconds=None, stop=None):
    """Writes packets to 'path' ('-' is standard output) until 'count' of them
    are there, 'seconds' are over, or the file descriptor 'stop' becomes
    readable.  Each packet is in the file at once, and what had arrived before
    the end is in it."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_listen(host.namespace, uplink))
                   for uplink in host.uplinks()]
        out = stack.enter_context(_create(path))
        out.write(struct.pack("=IHHiIII", PCAP_MAGIC_NANOSECONDS, 2, 4, 0, 0,
                              FRAME_MAX, LINKTYPE_ETHERNET))
        _say(f"listening on {', '.join(host.uplinks())} of host {host.name}")
        taken = 0
        for record in _records(sockets, seconds, stop):
            out.write(record)
            taken += 1
            if taken == count:
                break
        lost = sum(map(_lost, sockets))
        _say(f"{taken} packet{'s' * (taken != 1)} captured"
             + (f", {lost} lost" if lost else ""))


@contextlib.contextmanager
def until_interrupted():
    """Yields a file descriptor, for 'stop', that becomes readable on the
    signals that end a program."""
    reader, writer = os.pipe()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = [signal.signal(s, lambda *_: os.write(writer, b"."))
           for s in signals]
    try:
        yield reader
    finally:
        for s, handler in zip(signals, old):
            signal.signal(s, handler)
        os.close(reader)
        os.close(writer)


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _create(path):
    try:
        if path == "-":
            return os.fdopen(os.dup(1), "wb", buffering=0)
        return open(path, "wb", buffering=0)
    except OSError as e:
        raise LabError(f"{path}: {e.strerror}") from None


def _listen(namespace, link):
    with netns.entered(namespace):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
            s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            s.setblocking(False)
            # Until it is bound it receives nothing, and what it receives from
            # then on is of this link alone.
            s.bind((link, ETH_P_ALL))
        except OSError as e:
            s.close()
            raise LabError(f"{link}: {e.strerror}") from None
    return s


def _records(sockets, seconds, stop):
    """Packets as records of a pcap file, until the end and what is older."""
    deadline = time.monotonic() + seconds if seconds is not None else None
    sources = [*sockets, stop] if stop is not None else sockets
    ready = []
    while stop not in ready:
        left = None
        if deadline is not None:
            left = max(deadline - time.monotonic(), 0)
        ready = select.select(sources, [], [], left)[0]
        if not ready or left == 0:
            break
        for s in ready:
            if s is not stop:
                packet = _receive(s)
                if packet:
                    yield packet[1]
    yield from _leftovers(sockets, time.time_ns())


def _leftovers(sockets, end):
    """What had arrived by 'end' and was not read yet."""
    for s in sockets:
        while True:
            packet = _receive(s)
            if not packet or packet[0] > end:
                break
            yield packet[1]


def _receive(s):
    """(time in nanoseconds, record for the file), or None."""
    try:
        frame, control, _, _ = s.recvmsg(FRAME_MAX, 256)
    except BlockingIOError:
        return None
    except OSError as e:
        if e.errno == errno.ENETDOWN:
            return None     # Said once; the link may come back.
        raise LabError(f"the uplink is gone: {e.strerror}") from None
    stamp = time.time_ns()
    for level, kind, data in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            frame = with_tag(frame, data)
        elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            sec, nsec = TIMESPEC.unpack(data)
            stamp = sec * 10**9 + nsec
    return stamp, struct.pack("=IIII", stamp // 10**9, stamp % 10**9,
                              len(frame), len(frame)) + frame


def with_tag(frame, auxdata):
    """Puts a received VLAN tag, which the kernel takes out, back in."""
    status, _, _, _, _, tci, tpid = AUXDATA.unpack(auxdata)
    if not status & TP_STATUS_VLAN_VALID:
        return frame
    if not status & TP_STATUS_VLAN_TPID_VALID:
        tpid = 0x8100
    return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]


def _lost(s):
    """Packets that the socket's buffer had no room for."""
    data = s.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
    return struct.unpack("=II", data)[1]
