# SPDX-License-Identifier: Apache-2.0
"""Packets of a host's uplinks, as they are on the wire, into a pcap file.

One file may take several uplinks, with Ethernet headers and VLAN tags whole;
capture tools give only one of the two.  And who waits for the line
"listening on" can be sure that no later packet is missing."""

import contextlib
import os
import select
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


def capture(host, path, count=None, seconds=None):
    """Writes packets to 'path' ('-' is standard output) until 'count' of them
    are there, 'seconds' are over, or KeyboardInterrupt.  Each is in the file
    at once."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_listen(host.namespace, uplink))
                   for uplink in host.uplinks()]
        out = stack.enter_context(_create(path))
        out.write(struct.pack("=IHHiIII", PCAP_MAGIC_NANOSECONDS, 2, 4, 0, 0,
                              FRAME_MAX, LINKTYPE_ETHERNET))
        _say(f"listening on {', '.join(host.uplinks())} of host {host.name}")
        taken = 0
        try:
            for frame in _frames(sockets, seconds):
                out.write(frame)
                taken += 1
                if taken == count:
                    break
        except KeyboardInterrupt:
            pass
        lost = sum(map(_lost, sockets))
        _say(f"{taken} packet{'s' * (taken != 1)} captured"
             + (f", {lost} lost" if lost else ""))


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


def _frames(sockets, seconds):
    """Packets as records of a pcap file."""
    deadline = time.monotonic() + seconds if seconds is not None else None
    while True:
        left = None
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                return
        for s in select.select(sockets, [], [], left)[0]:
            record = _receive(s)
            if record:
                yield record


def _receive(s):
    try:
        frame, control, _, _ = s.recvmsg(FRAME_MAX, 256)
    except BlockingIOError:
        return None
    except OSError as e:
        raise LabError(f"the uplink is gone: {e.strerror}") from None
    stamp = time.time_ns()
    for level, kind, data in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            frame = _with_tag(frame, data)
        elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            sec, nsec = TIMESPEC.unpack(data)
            stamp = sec * 10**9 + nsec
    return struct.pack("=IIII", stamp // 10**9, stamp % 10**9, len(frame),
                       len(frame)) + frame


def _with_tag(frame, auxdata):
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
