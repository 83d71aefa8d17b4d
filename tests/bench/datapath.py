#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures for the datapath: packets to many destinations, stock and hnv.

A switch with DPDK, on one core, gets 64-byte UDP packets, one for each
destination, in random order, again and again, as fast as it takes them, and
sends them to 300 other hosts in VXLAN; see dpdk_switch.py.

    plain   one flow, to the sink as they are: what source and sink cost
    stock   a flow per destination, which sets the tunnel's address and
            identifier and puts the packet out
    route   one flow with hnv(route,...): to the other host by CA, with new
            MACs, and one hop less
    switch  one flow with hnv(switch,...): by MAC, as it is

    cycles     of the time stamp counter, per packet received, while the
               thread had the core
    Mpps       packets that came out with their header, in a second of that
    lost       of those received
    megaflows  in the datapath
    upcalls    a second
    core       the share that the thread had of it

All are medians of HNV_BENCH_SAMPLES (9) times HNV_BENCH_SECONDS (0.5).
HNV_BENCH_DESTINATIONS are by default 1,10000,100000,1000000; HNV_BENCH_WAYS
by default plain,stock,route,switch.  HNV_OVS_TREE is a built Open vSwitch with
the extension and DPDK; HNV_BENCH_STOCK another ovs-vswitchd for the stock
rows.  Aims are told with what they were met by.  Root; nothing passes or fails
here: machines differ, and other work on this one, or on the other thread of
the same core, makes it slower by half.
"""

import os
import random
import statistics
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests", "system"), HERE]

# pylint: disable=wrong-import-position
import dpdk_switch  # noqa: E402
from dpdk_switch import (FIRST_SOURCE, PER_PORT,  # noqa: E402
                         PLAIN_PORT, VXLAN_PORT, pa)
from hnv_switch import (PUT, SPACE_MOD_MAX, VXLAN,  # noqa: E402
                        by_ca, by_mac)

TREE = os.environ.get("HNV_OVS_TREE", os.path.join(TOP, "build", "ovs"))
STOCK = os.environ.get("HNV_BENCH_STOCK")
SIZES = [int(n) for n in os.environ.get(
    "HNV_BENCH_DESTINATIONS", "1,10000,100000,1000000").split(",")]
WAYS = os.environ.get("HNV_BENCH_WAYS", "plain,stock,route,switch").split(",")
N_SAMPLES = int(os.environ.get("HNV_BENCH_SAMPLES", "9"))
SECONDS = float(os.environ.get("HNV_BENCH_SECONDS", "0.5"))
SETTLE_MAX = 20
N_PAS = 300
N_CHECKED = 1000
FIRST_VSID = 5001
FIRST_CA = (198 << 24) + (19 << 16) + 256
ROUTER = "00:15:5d:ff:ff:fe"
GUEST = bytes.fromhex("00155d00000a")
FRAME = 64


class Destinations:
    """Number 'i' is in subnet FIRST_VSID plus the number of the source."""

    def __init__(self, n):
        self.n = n
        rng = random.Random(n)
        self.pas = [pa(rng.randrange(N_PAS)) for _ in range(n)]
        self.order = list(range(n))
        rng.shuffle(self.order)

    def source(self, i):
        return i // PER_PORT

    def vsid(self, i):
        return FIRST_VSID + self.source(i)

    def ca(self, i):
        return FIRST_CA + i % PER_PORT

    def mac(self, i):
        return b"\x02\x01" + struct.pack("!I", i)

    def packet(self, i):
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, FRAME - 14, 0, 0x4000, 64,
                         17, 0, FIRST_CA - 1, self.ca(i))
        total = sum(struct.unpack("!10H", ip))
        total = (total & 0xffff) + (total >> 16)
        ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) \
            + ip[12:]
        udp = struct.pack("!HHHH", 1024 + i % 40000, 7, FRAME - 34, 0)
        return (self.mac(i) + GUEST + b"\x08\x00" + ip + udp).ljust(FRAME,
                                                                    b"x")

    def packets(self, source):
        """Those of one source, in random order."""
        return [self.packet(i) for i in self.order
                if self.source(i) == source]


def dotted(address):
    return ".".join(str(address >> s & 255) for s in (24, 16, 8, 0))


def colons(mac):
    return ":".join("%02x" % b for b in mac)


# How packets find their way, by kind of row.

def program_stock(switch, d):
    path = switch.path("flows")
    with open(path, "w", encoding="ascii") as f:
        for i in range(d.n):
            f.write("in_port=%d,ip,nw_dst=%s actions=set_field:%d->tun_id,"
                    "set_field:%s->tun_dst,output:%d\n" % (
                        FIRST_SOURCE + d.source(i), dotted(d.ca(i)),
                        d.vsid(i), d.pas[i], VXLAN_PORT))
    switch.ofctl("add-flows", switch.mgmt("br-int"), path, timeout=600)


def program_plain(switch, _):
    switch.ofctl("add-flow", switch.mgmt("br-int"),
                 "actions=output:%d" % PLAIN_PORT)


def put_all(switch, entries):
    session = switch.session("br-int")
    session.socket.settimeout(600)
    batch = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == SPACE_MOD_MAX:
            session.space_mod(PUT, *batch)
            batch = []
    session.space_mod(PUT, *batch)
    session.barrier()
    session.close()


def program_hnv(switch, d, kind, entries):
    put_all(switch, entries)
    for source in range(dpdk_switch.n_ports(d.n)):
        switch.ofctl("add-flow", switch.mgmt("br-int"),
                     "in_port=%d actions=hnv(%s,vsid=%d,vxlan=%d%s)" % (
                         FIRST_SOURCE + source, kind, FIRST_VSID + source,
                         VXLAN_PORT,
                         ",mac=" + ROUTER if kind == "route" else ""))


def program_route(switch, d):
    program_hnv(switch, d, "route", (
        by_ca(d.vsid(i), dotted(d.ca(i)), colons(d.mac(i)), d.pas[i], VXLAN)
        for i in range(d.n)))


def program_switch(switch, d):
    program_hnv(switch, d, "switch", (
        by_mac(d.vsid(i), colons(d.mac(i)), d.pas[i], VXLAN)
        for i in range(d.n)))


PROGRAMS = {"plain": program_plain, "stock": program_stock,
            "route": program_route, "switch": program_switch}


def make_switch(way, folder, core):
    return dpdk_switch.DpdkSwitch(TREE, folder, core,
                                  STOCK if way == "stock" else None)


def check(way, core):
    """That packets come out as they should, each to its host.  The first ones
    are lost: while ports come, nobody answers upcalls."""
    d = Destinations(N_CHECKED)
    with tempfile.TemporaryDirectory() as folder:
        switch = make_switch(way, folder, core)
        try:
            out = switch.path("out.pcap")
            switch.bridges("net_pcap_sink,tx_pcap=" + out, N_PAS)
            PROGRAMS[way](switch, d)
            packets = d.packets(0) * (PER_PORT // d.n)
            switch.add_source(0, packets, again=False)
            switch.wait_for(lambda: all_played(switch, len(packets)))
            switch.vsctl("del-port", "sink")    # Closes the file.
        finally:
            switch.stop()
        got = {summary(p) for p in dpdk_switch.read_pcap(out)}
    wanted = {expected(way, d, i) for i in range(d.n)}
    if got != wanted:
        raise SystemExit(f"{way}: {len(got - wanted)} of the packets that "
                         f"came out are wrong: {sorted(got - wanted)[:2]}; "
                         f"missing: {sorted(wanted - got)[:2]}")


def all_played(switch, n):
    done = switch.sample()
    return (done.received >= n
            and switch.delivered() + done.failed >= done.received)


def expected(way, d, i):
    inner = d.packet(i)
    if way == "route":
        router = bytes.fromhex(ROUTER.replace(":", ""))
        inner = (d.mac(i) + router + inner[12:22] + bytes([inner[22] - 1])
                 + inner[23:])
    return d.pas[i], d.vsid(i), without_checksum(inner)


def without_checksum(inner):
    return inner[:24] + bytes(2) + inner[26:]


def summary(packet):
    """Where to, VNI, and what is within."""
    destination, = struct.unpack("!I", packet[30:34])
    port, = struct.unpack("!H", packet[36:38])
    vni, = struct.unpack("!I", packet[46:50])
    if port != 4789:
        raise SystemExit("a packet without VXLAN went out")
    inner = packet[dpdk_switch.OUTER:]
    return dotted(destination), vni >> 8, without_checksum(inner)


class Row:
    """What was measured.  'lost' is a share of those received; exactly, if
    there was no upcall to fail."""

    def __init__(self, samples, hz, megaflows, lost_otherwise):
        pairs = list(zip(samples, samples[1:]))
        first, last = samples[0], samples[-1]
        received = max(1, last.received - first.received)
        delivered = last.delivered - first.delivered
        self.cycles = statistics.median(
            (b.cpu - a.cpu) * hz / max(1, b.received - a.received)
            for a, b in pairs)
        self.lost = (lost_otherwise if last.failed == first.failed
                     else max(0, 1 - delivered / received))
        self.mpps = hz / self.cycles / 1e6 * (1 - self.lost)
        self.megaflows = megaflows
        self.upcalls = ((last.upcalls - first.upcalls)
                        / (last.time - first.time))
        self.share = (last.cpu - first.cpu) / (last.time - first.time)

    def __str__(self):
        return (f"{self.cycles:8.0f} {self.mpps:8.2f} {self.lost:7.2%} "
                f"{self.megaflows:9d} {self.upcalls:9.0f}"
                f"   {self.share:5.0%}")


def lost_otherwise(switch):
    """The share of packets that neither came out nor are known to be lost for
    want of an upcall's answer, since the switch began."""
    megaflows = switch.megaflows()
    switch.stop_sources()
    done = switch.sample()
    lost = done.received - done.failed - switch.delivered()
    return megaflows, lost / max(1, done.received)


def settle(switch):
    """Until the number of megaflows stays, or does not."""
    seen = [-1]
    deadline = time.monotonic() + SETTLE_MAX
    while time.monotonic() < deadline:
        time.sleep(1)
        seen.append(switch.megaflows())
        if len(seen) > 3 and len(set(seen[-3:])) == 1:
            break


def take_row(switch):
    """The row of a switch that has settled; its sources are stopped then."""
    samples = [switch.sample()]
    for _ in range(N_SAMPLES):
        time.sleep(SECONDS)
        samples.append(switch.sample())
    hz = switch.tsc_hz()
    return Row(samples, hz, *lost_otherwise(switch))


def measure(way, n, core):
    d = Destinations(n)
    with tempfile.TemporaryDirectory() as folder, \
            dpdk_switch.hugepages(n):
        switch = make_switch(way, folder, core)
        try:
            switch.bridges(pas=N_PAS)
            PROGRAMS[way](switch, d)
            for source in range(dpdk_switch.n_ports(n)):
                switch.add_source(source, d.packets(source))
            switch.prefer_pmd()
            settle(switch)
            return take_row(switch)
        finally:
            switch.stop()


def verdict(value, limit, at_least=False):
    met = value >= limit if at_least else value <= limit
    return f"aim {limit:g}: {'met' if met else 'missed'}"


def judge(rows, n, way):
    """What the aims for 'n' destinations say about one way, of all rows."""
    row, stock = rows[n, way], rows.get((n, "stock"))
    fewer = rows.get((10000, way))
    ratio = row.cycles / stock.cycles if stock else 0
    if n == 1 and stock:
        yield f"{ratio:.2f} of stock's cycles; {verdict(ratio, 1)}"
    if n == 10000 and stock:
        yield f"{ratio:.2f} of stock's cycles; {verdict(ratio, 0.35)}"
    if n == 100000 and stock:
        more = row.mpps / stock.mpps
        yield (f"{more:.0f} times stock's packets; "
               f"{verdict(more, 80, at_least=True)}")
    if n == 1000000 and fewer:
        more = row.cycles / fewer.cycles
        yield f"{more:.2f} of its cycles at 10,000; {verdict(more, 2)}"
    if n > 1:
        yield f"{row.lost:.4%} lost; {verdict(row.lost, 0)}"


def main():
    if not dpdk_switch.has_dpdk(TREE):
        print("no figures for the datapath: configure with --with-dpdk")
        return
    dpdk_switch.alone()
    core = dpdk_switch.pmd_core()
    with dpdk_switch.hugepages(N_CHECKED):
        for way in WAYS:
            if way != "plain":
                check(way, core)
    print(f"load {os.getloadavg()[0]:.1f}; stock is "
          f"{STOCK or 'the same program, with flows'}")
    print("destinations           cycles     Mpps    lost megaflows   "
          "upcalls    core")
    rows = {}
    for n in SIZES:
        for way in WAYS:
            rows[n, way] = measure(way, n, core)
            print(f"{n:12,} {way:8}{rows[n, way]}", flush=True)
    for n, way in rows:
        if way in ("route", "switch"):
            print(f"{n:12,} {way:8}", "; ".join(judge(rows, n, way)))
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
