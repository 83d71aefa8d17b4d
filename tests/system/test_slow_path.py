# SPDX-License-Identifier: Apache-2.0
"""A guest that floods the host with packets that the switch cannot finish by
itself takes nothing from the others: neither their packets' way, nor the
answers of the router, which are the agent's."""

import contextlib
import threading
import time

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import world as w
from hnvlab import netns
from test_punt import taken
from waiting import until
from wire import arp_request
from world_ipv6 import GATEWAY_A, ca6, description, nonce, policy, solicit

FLOODER, OTHER = "a1", "a2"
LONG = 1480                     # More than fits the uplink's MTU in VXLAN.
UPLINK_MTU = 1500
MANY = 5000
QUESTIONS = 10
PINGS = 20
# Of the agent's meters, with room for a slow machine.
RATE, BURST = 100, 100


@pytest.fixture(scope="module")
def world(make_lab):
    result = w.World(make_lab(description()))
    h1 = result.lab.host("h1")
    netns.ip(h1.namespace, [f"link set uplink0 mtu {UPLINK_MTU}"])
    result.apply(policy("vxlan"))
    until(lambda: all(int(dict(row["status"][1])["mtu"]) < UPLINK_MTU
                      for row in result.rows("h1", "Physical_Port",
                                             ["status"])), "the MTU")
    return result


def to_router(dst, ttl=64, size=20):
    ip = (IPv6(src=ca6(FLOODER), dst=dst, hlim=ttl) if ":" in dst
          else IP(src=w.ca(FLOODER), dst=dst, ttl=ttl, flags="DF"))
    return (Ether(src=w.mac(FLOODER), dst=w.ROUTER_MAC) / ip
            / UDP(sport=1000, dport=2000) / Raw(bytes(size)))


FLOODS = {
    "unknown addresses": [
        to_router(f"10.1.2.{i}") for i in range(100, 228)] + [
        to_router(f"2001:db8:a:2::{i:x}") for i in range(0x100, 0x180)],
    "no route": [to_router(f"172.16.{i}.1") for i in range(256)],
    "unknown MACs": [
        Ether(src=w.mac(FLOODER), dst=f"00:15:5d:99:99:{i:02x}")
        / IP(src=w.ca(FLOODER), dst=w.ca("a3")) / UDP() for i in range(256)],
    "TTL 1": [to_router(dst, ttl=1) for dst in (w.ca("b2"), ca6("b2"))],
    "too long": [to_router(dst, size=LONG - 60) for dst in (w.ca("b2"),
                                                            ca6("b2"))],
    "the gateway itself": [to_router(dst) for dst in (w.GATEWAY_A,
                                                      GATEWAY_A)],
    "odd solicitations": [
        solicit(FLOODER, dst, options=[nonce()] * n)
        for dst in (ca6("a3"), ca6("a4"), "2001:db8:a:1::999")
        for n in range(3)],
    "unknown neighbours": [
        arp_request(w.mac(FLOODER), w.ca(FLOODER), f"10.1.1.{i}")
        for i in range(100, 228)],
}


@contextlib.contextmanager
def flood(world, frames):
    """For a while, the flooder sends these over and over.  In the end they are
    many."""
    ending, n = threading.Event(), 0
    raw = [bytes(frame) for frame in frames]

    def send():
        nonlocal n
        with world.tap(FLOODER) as tap:
            while not ending.is_set():
                tap.send(*raw)
                n += len(raw)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
    assert n > MANY


def ask_the_router(world):
    """The other guest knocks at a port of the gateway's, time and again; each
    time it hears that there is none."""
    with world.tap(OTHER) as tap:
        for port in range(5000, 5000 + QUESTIONS):
            tap.send(Ether(src=w.mac(OTHER), dst=w.ROUTER_MAC)
                     / IP(src=w.ca(OTHER), dst=w.GATEWAY_A)
                     / UDP(sport=port, dport=port))
            tap.expect(lambda p, port=port: ICMP in p
                       and bytes(p[ICMP].payload)[20:22]
                       == port.to_bytes(2, "big"), "ICMP error")


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_what_cannot_be_finished(world, kind):
    world.ping(OTHER, w.ca("a3"))
    before, start = taken(world), time.monotonic()
    with flood(world, FLOODS[kind]):
        world.ping(OTHER, w.ca("a3"), PINGS)
        world.ping(OTHER, w.ca("b1"), PINGS)
        ask_the_router(world)
    seconds = time.monotonic() - start
    allowed = BURST + RATE * (seconds + 1)
    assert taken(world) - before - QUESTIONS <= allowed
