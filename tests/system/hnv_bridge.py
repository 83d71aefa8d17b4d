# SPDX-License-Identifier: Apache-2.0

"""A bridge with two guests' ports and two tunnel ports, an uplink's bridge
beside it, and packets for them.

Test modules import the fixtures that they use.
"""

import os
import re
import time

import pytest
from scapy.all import GRE, IP, UDP, Ether, Raw
from scapy.layers.vxlan import VXLAN as VxlanHeader

from hnv_switch import Switch

TREE = os.environ.get("HNV_OVS_TREE")
needs_tree = pytest.mark.skipif(not TREE,
                                reason="HNV_OVS_TREE is not set")

VSID = 5001
A, B, ROUTER = "00:15:5d:00:00:0a", "00:15:5d:00:00:0b", "00:15:5d:ff:ff:fe"
CA_A, CA_B = "10.1.0.10", "10.1.0.11"
PA, PA_2 = "192.0.2.7", "192.0.2.8"
PA_MAC, PA_2_MAC = "02:00:00:00:00:07", "02:00:00:00:00:08"
PORTS = "vxlan=10,nvgre=11"


@pytest.fixture(name="switch")
def fixture_switch(tmp_path):
    switch = Switch(TREE, tmp_path)
    try:
        switch.vsctl(
            "add-br", "br-int", "--", "set", "bridge", "br-int",
            "datapath_type=dummy", "fail_mode=secure", "--",
            "add-br", "br-phy", "--", "set", "bridge", "br-phy",
            "datapath_type=dummy", "--",
            *port(switch, "br-int", "p1", 1), *port(switch, "br-int", "p2", 2),
            *port(switch, "br-phy", "up", 1),
            *tunnel("vx", "vxlan", 10), *tunnel("nv", "gre", 11))
        switch.wait_for(lambda: os.path.exists(switch.path("br-int.mgmt")))
        switch.appctl("netdev-dummy/ip4addr", "br-phy", "192.0.2.1/24")
        switch.appctl("ovs/route/add", "192.0.2.0/24", "br-phy")
        for pa, mac in (PA, PA_MAC), (PA_2, PA_2_MAC):
            switch.appctl("tnl/arp/set", "br-phy", pa, mac)
        yield switch
    finally:
        switch.stop()


@pytest.fixture(name="session")
def fixture_session(switch):
    session = switch.session("br-int")
    yield session
    session.close()


def port(switch, bridge, name, number):
    return ["add-port", bridge, name, "--", "set", "interface", name,
            "type=dummy", "ofport_request=%d" % number,
            "options:tx_pcap=" + switch.path(name + "-tx.pcap"), "--"]


def tunnel(name, kind, number):
    return ["add-port", "br-int", name, "--", "set", "interface", name,
            "type=" + kind, "ofport_request=%d" % number,
            "options:remote_ip=flow", "options:key=flow",
            "options:local_ip=flow", "--"]


def add_flow(switch, flow):
    switch.ofctl("add-flow", switch.mgmt("br-int"), flow)


def ip_packet(dst_mac=B, dst=CA_B, sport=1000, ttl=64):
    return (Ether(src=A, dst=dst_mac) / IP(src=CA_A, dst=dst, ttl=ttl)
            / UDP(sport=sport, dport=2000) / Raw(b"x" * 20))


def arrive(switch, inner, pa=PA):
    """From the host at 'pa', in VXLAN.  The tunnel's end is br-phy."""
    mac = switch.vsctl("get", "interface", "br-phy", "mac_in_use").strip('"\n')
    switch.send("up", Ether(src=PA_MAC, dst=mac)
                / IP(src=pa, dst="192.0.2.1") / UDP(sport=40000, dport=4789)
                / VxlanHeader(flags="Instance", vni=VSID) / inner)


def outer_packets(switch, n=1):
    """The first 'n' packets with an inner one that went out of the uplink."""
    def look():
        found = [p for p in switch.sent("up")
                 if VxlanHeader in p or GRE in p]
        return found if len(found) >= n else None
    return switch.wait_for(look, "%d packets on the uplink" % n)


def few_recirculated(switch, since, others=0):
    """Besides 'others', the first packet on its way to learn the short one,
    and one in each half second since then."""
    stats = switch.appctl("dpif-netdev/pmd-stats-show")
    n = sum(int(n) for n in re.findall(r"recirculations: (\d+)", stats))
    return n <= others + 3 + 2 * (time.monotonic() - since)


def vsid_of(packet):
    if VxlanHeader in packet:
        return packet[VxlanHeader].vni
    assert packet[GRE].proto == 0x6558 and packet[GRE].key_present
    return packet[GRE].key >> 8


def inner_of(packet):
    inner = packet[VxlanHeader if VxlanHeader in packet else GRE].payload
    return Ether(bytes(inner))
