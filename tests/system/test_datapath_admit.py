# SPDX-License-Identifier: Apache-2.0

"""The action that says what other hosts may send."""

import pytest
from scapy.all import IP, UDP, Ether

from hnv_bridge import (A, B, CA_A, CA_B, PA, PA_2, VSID, add_flow, arrive,
                        fixture_session, fixture_switch, needs_tree)
from hnv_switch import DELETE_PORT, PUT_PORT, by_ca, by_mac, entry

pytestmark = needs_tree

ADMIT = "hnv(admit,vsid=5001,domain=77,source=5001,table=4%s)"
PEER = [entry("peer", 77, PA), entry("peer", 0, PA)]


def packet(src=CA_B, mac=B):
    return (Ether(src=mac, dst=A) / IP(src=src, dst=CA_A)
            / UDP(sport=1, dport=2))


def put_local_guest(session):
    """And the host that may send to it."""
    session.space_mod(PUT_PORT, entry("mac", VSID, mac=A, cookie=2))
    session.put(*PEER, by_ca(VSID, CA_A, A))


def test_admit(switch, session):
    """Known hosts may send; nobody may as a guest that runs here."""
    put_local_guest(session)
    add_flow(switch, "in_port=10,tun_id=5001 actions=" + ADMIT % "")
    add_flow(switch, "table=4 actions=output:2")
    arrive(switch, packet(), PA_2)
    for inner in packet(CA_A), packet(mac=A), packet():
        arrive(switch, inner)
    good, = switch.wait_for(lambda: switch.sent("p2"), "the good packet")
    assert (good.src, good[IP].src) == (B, CA_B)
    switch.wait_for(lambda: "admit: done=1 unknown-peer=1 claims-local=2"
                    in switch.appctl("hnv/space-show"), "three counted")
    assert "port=1" in switch.appctl("hnv/space-show")
    session.space_mod(DELETE_PORT, entry("mac", VSID, mac=A))
    session.barrier()
    arrive(switch, packet(mac=A))
    switch.wait_for(lambda: len(switch.sent("p2")) == 2,
                    "what nobody here says")


@pytest.mark.parametrize("asks_first", [False, True])
def test_refused_packets_go_on(switch, session, asks_first):
    """To a table of their own, as they were; and who sent them is what
    counts, whatever was asked about them before."""
    session.put(*PEER, by_mac(VSID, A), by_ca(VSID, CA_B, B, PA_2))
    before = ("hnv(find,vsid=5001,key=src,table=3)" if asks_first
              else "resubmit(,3)")
    add_flow(switch, "in_port=10,tun_id=5001 actions=" + before)
    add_flow(switch, "table=3 actions=" + ADMIT % ",refused=5")
    add_flow(switch, "table=4,tun_src=%s actions=output:2" % PA)
    add_flow(switch, "table=5,tun_src=%s actions=output:1" % PA_2)
    for n in range(1, 4):
        arrive(switch, packet())
        switch.wait_for(lambda n=n: len(switch.sent("p2")) == n, "the good")
        arrive(switch, packet(), PA_2)
        switch.wait_for(lambda n=n: len(switch.sent("p1")) == n, "the bad")
        assert bytes(switch.sent("p1")[-1]) == bytes(packet())
    assert "admit: done=3 unknown-peer=3" in switch.appctl("hnv/space-show")


def test_trace_says_why(switch, session):
    put_local_guest(session)
    add_flow(switch, "in_port=10 actions=" + ADMIT % ",refused=5")
    add_flow(switch, "table=4 actions=output:2")
    add_flow(switch, "table=5 actions=output:1")
    flow = ("in_port=10,tun_id=5001,tun_dst=192.0.2.1,tun_src=%s,udp,"
            "dl_src=%s,nw_src=%s")
    for pa, src, says, table in (
            (PA, CA_B, "admitted", 4), (PA_2, CA_B, "unknown-peer", 5),
            (PA, CA_A, "claims-local", 5)):
        trace = switch.appctl("ofproto/trace", "br-int", flow % (pa, B, src))
        assert "space: " + says in trace, trace
        assert "Resuming from table %d\n" % table in trace, trace
