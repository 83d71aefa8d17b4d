# SPDX-License-Identifier: Apache-2.0
"""A switch with DPDK, between a source and a sink of packets.

    src0 src1 ...   net_pcap with infinite_rx: what is in files, again and
         |          again, as fast as it is taken
      br-int        what is measured
         | vx       VXLAN
      br-phy        198.18.0.1/16
         |
        sink        net_null: counts and forgets

It needs no network card.  One PMD thread, on a core that nothing else here
uses, does all of it.  The caller's network namespace should be one of its own
(see alone()); hugepages are taken and given back.
"""

import collections
import contextlib
import ipaddress
import json
import os
import re
import socket
import struct
import sys
import time

from hnv_switch import Switch

PA_NET = "198.18.0.0/16"
OWN_PA = "198.18.0.1"
FIRST_PA = int(ipaddress.IPv4Address("198.18.1.0"))
VXLAN_PORT = 100
PLAIN_PORT = 101                # To the sink, without a header.
FIRST_SOURCE = 1
OUTER = 50                      # Bytes of outer header.

# A port's buffers hold the packets that it plays, and those on their way.
# With "per-port-memory" there are 4,096 per queue and some more.
PER_QUEUE = 5000
QUEUES_MAX = 16
PER_PORT = PER_QUEUE * QUEUES_MAX
QUEUE_SIZE = 4096

HUGEPAGES = "/proc/sys/vm/nr_hugepages"
HUGEPAGE = 2 << 20
BUFFER = 3200                   # Bytes, a little more than it is.


def pa(i):
    """The address of another host."""
    return str(ipaddress.IPv4Address(FIRST_PA + i))


def pa_mac(i):
    return "02:00:00:00:%02x:%02x" % (i >> 8, i & 255)


def patch(bridge, name, peer, number):
    return ["add-port", bridge, name, "--", "set", "interface", name,
            "type=patch", "options:peer=" + peer,
            "ofport_request=%d" % number, "--"]


def n_ports(n_packets):
    return -(-n_packets // PER_PORT)


def has_dpdk(tree):
    with open(os.path.join(tree, "config.h"), encoding="ascii") as f:
        return "#define DPDK_NETDEV 1" in f.read()


def alone():
    """Starts this program anew in a network namespace of its own."""
    if os.environ.get("HNV_BENCH_ALONE"):
        # Else bridges themselves have something to say.
        with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w",
                  encoding="ascii") as f:
            f.write("1")
        return
    os.environ["HNV_BENCH_ALONE"] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, "-B",
                          *sys.argv])


def pmd_core():
    """The PMD's; everything else is kept off it."""
    cores = os.sched_getaffinity(0)
    core = int(os.environ.get("HNV_BENCH_CORE", max(cores)))
    if cores - {core}:
        os.sched_setaffinity(0, cores - {core})
    return core


@contextlib.contextmanager
def hugepages(n_packets):
    """As many as it takes to play so many packets."""
    buffers = (n_ports(n_packets) + 1) * (QUEUES_MAX + 6) * QUEUE_SIZE
    wanted = buffers * BUFFER // HUGEPAGE + 128
    with open(HUGEPAGES, encoding="ascii") as f:
        before = int(f.read())
    try:
        if before < wanted:
            set_hugepages(wanted)
        yield
    finally:
        set_hugepages(before)


def set_hugepages(n):
    with open(HUGEPAGES, "w", encoding="ascii") as f:
        f.write(str(n))


def write_pcap(path, packets):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for packet in packets:
            f.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)))
            f.write(packet)


def read_pcap(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 24
    while at + 16 <= len(data):
        size, = struct.unpack_from("<I", data, at + 8)
        yield data[at + 16:at + 16 + size]
        at += 16 + size


class Control:
    """Commands of ovs-vswitchd, over one connection."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.decoder = json.JSONDecoder()

    def close(self):
        self.socket.close()

    def __call__(self, command, *args):
        self.socket.sendall(json.dumps(
            {"id": 0, "method": command, "params": args}).encode())
        text = ""
        while True:
            text += self.socket.recv(1 << 20).decode()
            try:
                reply, _ = self.decoder.raw_decode(text)
                break
            except json.JSONDecodeError:
                continue
        if reply["error"]:
            raise RuntimeError(f"{command}: {reply['error']}")
        return reply["result"]


# Sums since the switch's start.  'cpu' is the PMD thread's, in seconds.  Of
# 'failed' upcalls the packets are lost, but for those whose megaflow is one
# too many.
Sample = collections.namedtuple(
    "Sample", "time cpu received delivered upcalls failed")

# How long taking a sample may take, and how often it is tried.
SAMPLE_S = 0.0003
SAMPLE_TRIES = 50


class DpdkSwitch(Switch):
    """'core' is the PMD's."""

    def __init__(self, tree, folder, core, vswitchd=None):
        self.core = core
        super().__init__(tree, folder, vswitchd)
        self.control = Control(self.path("ctl"))
        self.pid = self.processes[-1].pid

    def stop(self):
        # Else the bridges' own devices stay.
        with contextlib.suppress(AttributeError):
            self.control("exit", "--cleanup")
            self.control.close()
            self.processes[-1].wait(60)
        super().stop()

    def start_switch(self, vswitchd):
        self.vsctl(
            "--no-wait", "set", "Open_vSwitch", ".",
            "other_config:dpdk-init=true",
            "other_config:per-port-memory=true",
            "other_config:pmd-cpu-mask=%#x" % (1 << self.core),
            "other_config:dpdk-lcore-mask=%#x" % (
                1 << min(os.sched_getaffinity(0))),
            "other_config:dpdk-extra=--no-pci -m 64")
        self.start(vswitchd, "--disable-system",
                   "unix:" + self.path("db.sock"))
        self.wait_for(lambda: os.path.exists(self.path("ctl")))

    def bridges(self, sink="net_null_sink,no-rx=1", pas=0):
        """All but the sources; 'pas' other hosts are known."""
        self.vsctl(
            "add-br", "br-int", "--", "set", "bridge", "br-int",
            "datapath_type=netdev", "fail_mode=secure", "--",
            "add-br", "br-phy", "--", "set", "bridge", "br-phy",
            "datapath_type=netdev", "fail_mode=secure", "--",
            "add-port", "br-int", "vx", "--", "set", "interface", "vx",
            "type=vxlan", "ofport_request=%d" % VXLAN_PORT,
            "options:remote_ip=flow", "options:key=flow", "--",
            *patch("br-int", "to-phy", "to-int", PLAIN_PORT),
            *patch("br-phy", "to-int", "to-phy", 2),
            "add-port", "br-phy", "sink", "--", "set", "interface", "sink",
            "type=dpdk", "ofport_request=1", "options:dpdk-devargs=" + sink)
        self.ofctl("add-flow", self.mgmt("br-phy"),
                   "actions=output:1")
        self.tool("/usr/sbin/ip", "addr", "add", OWN_PA + "/16", "dev",
                  "br-phy")
        self.tool("/usr/sbin/ip", "link", "set", "br-phy", "up")
        self.wait_for(lambda: PA_NET in self.control("ovs/route/show"))
        for i in range(pas):
            self.control("tnl/neigh/set", "br-phy", pa(i), pa_mac(i))

    def add_source(self, i, packets, again=True):
        """Plays 'packets', frames, at most PER_PORT, from now on."""
        number = FIRST_SOURCE + i
        files = []
        for j in range(0, len(packets), PER_QUEUE):
            files.append(self.path("src%d-%d.pcap" % (i, j)))
            write_pcap(files[-1], packets[j:j + PER_QUEUE])
        devargs = "net_pcap%d,%s" % (
            i, ",".join("rx_pcap=" + f for f in files))
        name = "src%d" % i
        self.vsctl(
            "add-port", "br-int", name, "--", "set", "interface", name,
            "type=dpdk", "ofport_request=%d" % number,
            "options:dpdk-devargs=\"%s%s\"" % (
                devargs, ",infinite_rx=1" if again else ""),
            "options:n_rxq=%d" % len(files),
            "options:n_rxq_desc=%d" % QUEUE_SIZE,
            "options:n_txq_desc=%d" % QUEUE_SIZE)
        error = self.vsctl("get", "interface", name, "error").strip()
        if error != "[]":
            raise RuntimeError(name + ": " + error)

    def pmd_counters(self):
        text = self.control("dpif-netdev/pmd-stats-show", "-pmd",
                            str(self.core))
        return {name.strip(): int(value) for name, value in re.findall(
            r"^  ([^:\n]+): (\d+)\b(?!\.)", text, re.MULTILINE)}

    def ports(self):
        """Counters of each port of the datapath."""
        ports = {}
        for line in self.control("dpctl/show", "-s",
                                 "netdev@ovs-netdev").splitlines():
            match = re.match(r"  port \d+: (\S+)", line)
            if match:
                counters = ports.setdefault(match.group(1), {})
                continue
            for name, value in re.findall(r"([RT]X packets):(\d+)", line):
                counters[name] = int(value)
        return ports

    def tsc_hz(self):
        """Of the clock that PMD threads count cycles by."""
        def total():
            pmd = self.pmd_counters()
            return (time.perf_counter(),
                    pmd["idle cycles"] + pmd["processing cycles"])
        start, cycles = total()
        time.sleep(1)
        end, more = total()
        return (more - cycles) / (end - start)

    def megaflows(self):
        return int(re.search(r"^  flows: (\d+)",
                             self.control("dpctl/show"),
                             re.MULTILINE).group(1))

    def pmd_thread(self):
        tasks = f"/proc/{self.pid}/task"
        for tid in os.listdir(tasks):
            with open(f"{tasks}/{tid}/comm", encoding="ascii") as f:
                if f.read().startswith("pmd-"):
                    return int(tid)
        raise RuntimeError("no PMD thread")

    def prefer_pmd(self):
        """On a busy machine.  The main thread answers questions."""
        for tid in self.pmd_thread(), self.pid:
            os.sched_setscheduler(tid, os.SCHED_FIFO, os.sched_param(1))

    def pmd_cpu(self):
        with open(f"/proc/{self.pid}/task/{self.pmd_thread()}/schedstat",
                  encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9

    def sample(self):
        """Time and counters are of the same moment, but for SAMPLE_S, or as
        close to each other as can be had."""
        best, shortest = None, None
        for _ in range(SAMPLE_TRIES):
            before, cpu = time.perf_counter(), self.pmd_cpu()
            pmd = self.pmd_counters()
            took = time.perf_counter() - before
            if shortest is None or took < shortest:
                shortest = took
                failed = pmd["miss with failed upcall"]
                best = Sample(before, cpu, pmd["packets received"],
                              self.delivered(),
                              pmd["miss with success upcall"] + failed,
                              failed)
            if took < SAMPLE_S:
                break
        return best

    def delivered(self):
        return self.ports()["sink"]["TX packets"]

    def stop_sources(self):
        for name in self.ports():
            if name.startswith("src"):
                self.vsctl("del-port", name)
