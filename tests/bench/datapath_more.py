#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""More figures for the datapath: what it answers, how it changes, how soon.

The same switch as datapath.py's, and what is to do with it as there.

    arp          replies a second, on one core, to requests about 10,000
                 addresses: an OpenFlow responder's, and hnv(arp)'s
    programming  entries that come over one OpenFlow session while packets go
                 to 10,000 destinations; what is lost meanwhile
    memory       of a mapping: by CA and by MAC
    move         from the message that changes an entry to the first packet
                 that comes out for the new place
    first        how long a packet takes to a destination that never got one,
                 and to one that did; both through veth devices
    local        cycles: by MAC, to 200 guests of this host
    path         cycles: conntrack, a firewall of 100 rules, routing, VXLAN, to
                 10,000 destinations with a connection each

HNV_BENCH_LINES chooses from them.
"""

import contextlib
import os
import re
import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "tests", "system"), HERE]

# pylint: disable=wrong-import-position
import dpdk_switch  # noqa: E402
from datapath import (FIRST_CA, FIRST_VSID, GUEST, N_PAS,  # noqa: E402
                      N_SAMPLES, ROUTER, SECONDS, TREE, Destinations,
                      colons, dotted, lost_otherwise, make_switch,
                      program_route, program_stock, put_all, settle,
                      take_row)
from dpdk_switch import (FIRST_SOURCE, PLAIN_PORT,  # noqa: E402
                         VXLAN_PORT, pa)
from hnv_switch import (OF13, NX_VENDOR, PUT, SPACE_MOD_MAX,  # noqa: E402
                        SUBTYPE, VXLAN, by_ca, by_mac)

LINES = os.environ.get("HNV_BENCH_LINES",
                       "arp,programming,move,first,local,path").split(",")
N = 10000
N_PROGRAMMED = 1000000
N_MOVES = 100
N_FIRST = 300
N_RULES = 100
N_LOCAL = 200
CT_ZONE = 5


@contextlib.contextmanager
def running(core, n_packets=N):
    with tempfile.TemporaryDirectory() as folder, \
            dpdk_switch.hugepages(n_packets):
        switch = make_switch("hnv", folder, core)
        try:
            switch.bridges(pas=N_PAS)
            yield switch
        finally:
            switch.stop()


def add_flow(switch, flow):
    switch.ofctl("add-flow", switch.mgmt("br-int"), flow)


def add_flows(switch, flows):
    path = switch.path("flows")
    with open(path, "w", encoding="ascii") as f:
        f.writelines(flow + "\n" for flow in flows)
    switch.ofctl("add-flows", switch.mgmt("br-int"), path, timeout=600)


def say(line, what):
    print(f"{line:12} {what}", flush=True)


def compare(line, stock, hnv):
    for name, row in ("stock", stock), ("hnv", hnv):
        say(line, f"{name} {row.cycles:.0f} cycles, {row.mpps:.2f} Mpps, "
            f"{row.megaflows} megaflows")
    say(line, f"hnv takes {hnv.cycles / stock.cycles:.2f} of stock's cycles")


# arp

def arp_request(i):
    return (b"\xff" * 6 + GUEST + bytes.fromhex("0806 0001 0800 06 04 0001")
            + GUEST + struct.pack("!I", FIRST_CA - 1) + bytes(6)
            + struct.pack("!I", FIRST_CA + i)).ljust(64, b"\0")


def responder(d, i):
    mac, ca = colons(d.mac(i)), dotted(d.ca(i))
    return (f"arp,arp_op=1,arp_tpa={ca} actions=move:eth_src[]->eth_dst[],"
            f"set_field:{mac}->eth_src,set_field:2->arp_op,"
            f"move:arp_sha[]->arp_tha[],set_field:{mac}->arp_sha,"
            f"move:arp_spa[]->arp_tpa[],set_field:{ca}->arp_spa,IN_PORT")


def replies(core, program):
    """A second of the core's."""
    d = Destinations(N)
    with running(core) as switch:
        program(switch, d)
        switch.add_source(0, [arp_request(i) for i in d.order])
        switch.prefer_pmd()
        settle(switch)
        rates = []
        for _ in range(N_SAMPLES):
            n, cpu = switch.ports()["src0"]["TX packets"], switch.pmd_cpu()
            time.sleep(SECONDS)
            rates.append((switch.ports()["src0"]["TX packets"] - n)
                         / (switch.pmd_cpu() - cpu))
        return statistics.median(rates)


def arp_stock(switch, d):
    add_flows(switch, (responder(d, i) for i in range(N)))


def arp_hnv(switch, d):
    put_all(switch, (by_ca(FIRST_VSID, dotted(d.ca(i)), colons(d.mac(i)),
                           d.pas[i], VXLAN) for i in range(N)))
    add_flow(switch, f"arp actions=hnv(arp,vsid={FIRST_VSID})")


def measure_arp(core):
    stock, hnv = replies(core, arp_stock), replies(core, arp_hnv)
    say("arp", f"stock {stock:,.0f}/s, hnv {hnv:,.0f}/s: {hnv / stock:.0f} "
        f"times; aim 10: {'met' if hnv >= 10 * stock else 'missed'}")


# programming, memory

def space_mods(entries):
    """Messages with 'entries', as they are on the wire."""
    messages = []
    for i in range(0, len(entries), SPACE_MOD_MAX):
        body = (struct.pack("!IIB7x", NX_VENDOR, SUBTYPE, PUT)
                + b"".join(entries[i:i + SPACE_MOD_MAX]))
        messages.append(struct.pack("!BBHI", OF13, 4, 8 + len(body), 0)
                        + body)
    return b"".join(messages)


def mapping(i, place):
    mac = "02:03:" + ":".join("%02x" % b for b in struct.pack("!I", i))
    ca = dotted((10 << 24) + i)
    return (by_ca(FIRST_VSID + 99, ca, mac, place, VXLAN),
            by_mac(FIRST_VSID + 99, mac, place, VXLAN))


def mappings(shift):
    return [e for i in range(N_PROGRAMMED // 2)
            for e in mapping(i, pa((i + shift) % N_PAS))]


def space_bytes(switch):
    return int(re.search(r"bytes=(\d+)",
                         switch.control("hnv/space-show", "0")).group(1))


def programmed(switch, data):
    """Entries a second."""
    session = switch.session("br-int")
    session.socket.settimeout(600)
    start = time.perf_counter()
    session.socket.sendall(data)
    session.barrier()
    took = time.perf_counter() - start
    session.close()
    return N_PROGRAMMED / took


def measure_programming(core):
    d = Destinations(N)
    new, changed = space_mods(mappings(0)), space_mods(mappings(1))
    with running(core) as switch:
        program_route(switch, d)
        switch.add_source(0, d.packets(0))
        switch.prefer_pmd()
        settle(switch)
        before, size = switch.sample(), space_bytes(switch)
        rate_new = programmed(switch, new)
        size = (space_bytes(switch) - size) / (N_PROGRAMMED // 2)
        rate_changed = programmed(switch, changed)
        after = switch.sample()
        _, otherwise = lost_otherwise(switch)
    received = after.received - before.received
    lost = (after.failed - before.failed) / received + otherwise
    rate = min(rate_new, rate_changed)
    say("programming", f"{rate_new:,.0f} new entries/s, {rate_changed:,.0f} "
        f"changed, {lost:.4%} of {received / 1e6:.0f} million packets lost; "
        f"aim 1,000,000 and none: "
        f"{'met' if rate >= 1e6 and not lost else 'missed'}")
    say("memory", f"{size:.0f} bytes a mapping; aim 192: "
        f"{'met' if size <= 192 else 'missed'}")


# move, first: one packet at a time, through veth devices

class Wires:
    """The switch's 'in' and 'out' are devices, with our ends of them."""

    def __init__(self, switch):
        for name in "in", "out":
            subprocess.run(["ip", "link", "add", "wire-" + name, "type",
                            "veth", "peer", "name", "port-" + name],
                           check=True)
            for end in "wire-", "port-":
                subprocess.run(["ip", "link", "set", end + name, "up"],
                               check=True)
        switch.vsctl("set", "interface", "sink", "options:dpdk-devargs="
                     "net_af_packet0,iface=port-out")
        switch.vsctl("add-port", "br-int", "src0", "--", "set", "interface",
                     "src0", "type=dpdk", "options:dpdk-devargs="
                     "net_af_packet1,iface=port-in",
                     "ofport_request=%d" % FIRST_SOURCE)
        self.into, self.out = self.open("wire-in"), self.open("wire-out")

    @staticmethod
    def open(device):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                          socket.htons(3))
        s.bind((device, 0))
        return s

    def send(self, packet):
        self.into.send(packet)

    def receive(self, timeout):
        """The next packet with an outer header, or None."""
        deadline = time.perf_counter() + timeout
        while True:
            left = deadline - time.perf_counter()
            if left < 0 or not select.select([self.out], [], [], left)[0]:
                return None
            packet = self.out.recv(2048)
            if packet[36:38] == b"\x12\xb5":
                return packet

    def receive_inner(self, packet, timeout):
        """The next one to where 'packet' goes; not those still on their way
        from before."""
        while True:
            got = self.receive(timeout)
            if not got or got[dpdk_switch.OUTER:][30:34] == packet[30:34]:
                return got

    def close(self):
        self.into.close()
        self.out.close()
        for name in "in", "out":
            subprocess.run(["ip", "link", "del", "wire-" + name],
                           check=False)


@contextlib.contextmanager
def wires(switch):
    w = Wires(switch)
    try:
        yield w
    finally:
        w.close()


def destination_of(packet):
    return dotted(struct.unpack("!I", packet[30:34])[0])


def warm(wire, d, switch):
    """Makes each other host known to the caches."""
    seen = set()
    for _ in range(20):
        for i in range(N):
            if d.pas[i] in seen:
                continue
            wire.send(d.packet(i))
            packet = wire.receive(0.02)
            if packet:
                seen.add(destination_of(packet))
        if len(seen) == len(set(d.pas)):
            return
    raise RuntimeError("packets do not get through: "
                       + switch.control("dpctl/dump-flows"))


def measure_move(core):
    d = Destinations(N)
    times = []
    with running(core) as switch:
        program_route(switch, d)
        with wires(switch) as wire:
            warm(wire, d, switch)
            switch.prefer_pmd()
            session = switch.session("br-int")
            for n in range(N_MOVES):
                place = pa(n % 2)
                data = space_mods([by_ca(d.vsid(0), dotted(d.ca(0)),
                                         colons(d.mac(0)), place, VXLAN)])
                start = time.perf_counter()
                session.socket.sendall(data)
                while True:
                    wire.send(d.packet(0))
                    packet = wire.receive(1)
                    if packet and destination_of(packet) == place:
                        break
                times.append((time.perf_counter() - start) * 1e3)
            session.close()
    median, worst = statistics.median(times), max(times)
    say("move", f"median {median:.3f} ms, worst of {N_MOVES} {worst:.3f} ms; "
        f"aim 1 ms: {'met' if median < 1 else 'missed'}")


def latencies(core, program, again):
    """Of packets to destinations, in microseconds: first, then again."""
    d = Destinations(N)
    first, later = [], []
    with running(core) as switch:
        program(switch, d)
        with wires(switch) as wire:
            warm(wire, d, switch)
            switch.prefer_pmd()
            for i in range(N - N_FIRST, N):
                for times in [first] + [later] * again:
                    packet = d.packet(i)
                    start = time.perf_counter()
                    wire.send(packet)
                    if wire.receive_inner(packet, 1):
                        times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(first), statistics.median(later)


def measure_first(core):
    for name, program in ("stock", program_stock), ("hnv", program_route):
        first, later = latencies(core, program, 3)
        aim = (f"; aim 2 times: {'met' if first <= 2 * later else 'missed'}"
               if name == "hnv" else "")
        say("first", f"{name} {first:.0f} us, then {later:.0f} us{aim}")


# local

def to_guests(d, table):
    return [f"table={table},dl_dst={colons(d.mac(i))} "
            f"actions=output:{PLAIN_PORT}" for i in range(d.n)]


def local_stock(switch, d):
    add_flows(switch, to_guests(d, 0))


def local_hnv(switch, d):
    put_all(switch, (by_mac(FIRST_VSID, colons(d.mac(i)))
                     for i in range(d.n)))
    add_flows(switch, [f"in_port={FIRST_SOURCE} actions="
                       f"hnv(switch,vsid={FIRST_VSID},local=1)"]
              + to_guests(d, 1))


def local_row(core, program):
    d = Destinations(N_LOCAL)
    with running(core) as switch:
        program(switch, d)
        switch.add_source(0, d.packets(0))
        switch.prefer_pmd()
        settle(switch)
        return take_row(switch)


def measure_local(core):
    compare("local", local_row(core, local_stock),
            local_row(core, local_hnv))


# path

def firewall(rest):
    """What is known goes on to table 'rest', and what is new is asked for: 100
    rules, each for prefixes and ports, the last of which allows."""
    flows = [f"ip actions=ct(zone={CT_ZONE},table=1)",
             f"table=1,ct_state=+est+trk,ip actions=resubmit(,{rest})",
             "table=1,priority=30000,ct_state=+new+trk,udp,tp_dst=7 "
             f"actions=ct(zone={CT_ZONE},commit),resubmit(,{rest})"]
    for r in range(1, N_RULES):
        base = f"table=1,priority={40000 + r},ct_state=+new+trk,udp"
        flows += [f"{base},conj_id={r} actions=drop"]
        flows += [f"{base},nw_src=198.18.{r}.{16 * k}/28 "
                  f"actions=conjunction({r},1/2)" for k in range(4)]
        flows += [f"{base},tp_dst={20000 + 10 * r + k} "
                  f"actions=conjunction({r},2/2)" for k in range(4)]
    return flows


def path_stock(switch, d):
    add_flows(switch, firewall(2) + [
        f"table=2,ip,nw_dst={dotted(d.ca(i))} "
        f"actions=set_field:{ROUTER}->eth_src,"
        f"set_field:{colons(d.mac(i))}->eth_dst,dec_ttl,"
        f"set_field:{FIRST_VSID}->tun_id,set_field:{d.pas[i]}->tun_dst,"
        f"output:{VXLAN_PORT}" for i in range(N)])


def path_hnv(switch, d):
    program_route(switch, d)
    switch.ofctl("del-flows", switch.mgmt("br-int"))
    add_flows(switch, firewall(2) + [
        f"table=2,ip actions=hnv(route,vsid={FIRST_VSID},mac={ROUTER},"
        f"vxlan={VXLAN_PORT})"])


def reply_to(packet):
    """From the destination, so that the connection is established."""
    return (packet[6:12] + packet[:6] + packet[12:26] + packet[30:34]
            + packet[26:30] + packet[36:38] + packet[34:36] + packet[38:])


def path_row(core, program):
    d = Destinations(N)
    with running(core, 2 * dpdk_switch.PER_PORT) as switch:
        program(switch, d)
        packets = d.packets(0)
        switch.add_source(0, packets)
        settle(switch)
        add_flow(switch, "priority=50000,in_port=%d,ip actions="
                 "ct(zone=%d,table=99)" % (FIRST_SOURCE + 1, CT_ZONE))
        switch.add_source(1, [reply_to(p) for p in packets] * 8, again=False)
        settle(switch)
        switch.prefer_pmd()
        return take_row(switch)


def measure_path(core):
    compare("path", path_row(core, path_stock), path_row(core, path_hnv))


MEASURES = {"arp": measure_arp, "programming": measure_programming,
            "move": measure_move, "first": measure_first,
            "local": measure_local, "path": measure_path}


def main():
    if not dpdk_switch.has_dpdk(TREE):
        return
    dpdk_switch.alone()
    core = dpdk_switch.pmd_core()
    for line in LINES:
        MEASURES[line](core)


if __name__ == "__main__":
    main()
