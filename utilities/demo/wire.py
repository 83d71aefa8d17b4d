# SPDX-License-Identifier: Apache-2.0
"""Captured packets, decoded by tshark, which knows nothing of this project."""

import subprocess
from dataclasses import dataclass
from typing import List, Optional

from hnvlab.errors import LabError

FIELDS = ("eth.src", "eth.dst", "ip.src", "ip.dst", "ip.ttl", "udp.srcport",
          "udp.dstport", "vxlan.vni", "gre.proto", "gre.key", "icmp.type")


@dataclass
class Packet:
    """A packet inside another: [0] of each list is the outer header."""
    macs: List[str]
    ips: List[str]
    ttls: List[int]
    encap: str
    vsid: Optional[int]
    details: List[str]
    icmp: str


def packets(path, display_filter):
    """The encapsulated packets in a capture file that match."""
    return [_packet(values) for values in _fields(path, display_filter)
            if values["vxlan.vni"] or values["gre.key"]]


def count(path, display_filter):
    """How many packets match, of any kind."""
    return len(_fields(path, display_filter))


def picture(packet):
    """A packet from the outside to the inside, a line for each header."""
    icmp = {"8": "echo request", "0": "echo reply"}.get(packet.icmp, "?")
    rows = [
        ("Ethernet", packet.macs[0], "between the host and its router"),
        ("IPv4", packet.ips[0], "provider addresses (PA)"),
        *[(packet.encap, detail, note) for detail, note in packet.details],
        ("Ethernet", packet.macs[1], "the guests' own frame, untouched"
         if packet.ttls[-1] == 64 else "from the router to the guest"),
        ("IPv4", packet.ips[1], "customer addresses (CA)"),
        ("ICMP", icmp, "")]
    return [f"{'  ' if i > len(rows) - 4 else ''}{what:9}{text:41}{note}"
            .rstrip() for i, (what, text, note) in enumerate(rows)]


def _fields(path, display_filter):
    args = ["tshark", "-n", "-r", path, "-Y", display_filter, "-T", "fields",
            "-E", "separator=|", "-E", "occurrence=a", "-E", "aggregator=,"]
    for field in FIELDS:
        args += ["-e", field]
    done = subprocess.run(args, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE)
    if done.returncode:
        raise LabError(f"tshark: {done.stderr.strip()}")
    return [dict(zip(FIELDS, line.split("|")))
            for line in done.stdout.splitlines()]


def _packet(values):
    lists = {key: value.split(",") for key, value in values.items()}
    encap, vsid, details = _encapsulation(lists)
    return Packet(_pairs(lists["eth.src"], lists["eth.dst"]),
                  _pairs(lists["ip.src"], lists["ip.dst"]),
                  [int(ttl) for ttl in lists["ip.ttl"]], encap, vsid, details,
                  lists["icmp.type"][0])


def _encapsulation(lists):
    """(name, VSID, lines to show) of the header between the two packets."""
    if lists["vxlan.vni"][0]:
        vsid = int(lists["vxlan.vni"][0])
        return "VXLAN", vsid, [
            (f"UDP port {lists['udp.srcport'][0]} -> "
             f"{lists['udp.dstport'][0]}", "4789 is VXLAN"),
            (f"VNI {vsid}", "the virtual subnet (VSID)")]
    key, proto = (int(lists[k][0], 0) for k in ("gre.key", "gre.proto"))
    return "NVGRE", key >> 8, [
        (f"GRE protocol {proto:#06x}", "0x6558 is an Ethernet frame"),
        (f"key {key:#010x} = VSID {key >> 8}, flow {key & 255}",
         "the virtual subnet (VSID)")]


def _pairs(sources, targets):
    return [f"{a} -> {b}" for a, b in zip(sources, targets)]
