# SPDX-License-Identifier: Apache-2.0
"""What a guest, or a host that is none of ours, may not do."""

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN

import world as w
from hnvlab import policy
from wire import (BROADCAST, arp_request, echo, is_arp_reply, is_echo,
                  is_tunnelled, uplink_tap)

EXPERIMENT = 0x88b5             # Of no protocol (IEEE 802).
STRANGER = "192.168.1.77"
NOBODY = "00:15:5d:99:99:99"


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    return w.World(make_lab(w.description()), w.policy(request.param))


class Counted:
    """That one host's counter, and what it counts, rises by 'n'."""

    def __init__(self, world, host, reason, n=1):
        self.world, self.host, self.reason = world, host, reason
        self.n = n

    def count(self):
        return self.world.drops(self.host)[self.reason]

    def __enter__(self):
        self.before = self.count()

    def __exit__(self, kind, *_):
        if kind is None:
            assert self.count() == self.before + self.n


def fence(guest):
    return Ether(src=w.mac(guest), dst=BROADCAST,
                 type=EXPERIMENT) / (b"f" * 46)


def is_fence(packet):
    return packet.type == EXPERIMENT


def assert_unheard(world, sender, frames, listeners, wanted):
    """None of 'listeners' gets a frame that is wanted()."""
    with world.tap(sender) as tap:
        taps = [world.tap(guest) for guest in listeners]
        try:
            tap.send(*frames, fence(sender))
            for other in taps:
                seen = other.until(is_fence, "fence")
                assert not [p for p in seen if wanted(p)]
        finally:
            for other in taps:
                other.close()


@pytest.mark.parametrize("to", ["a2", "a3"])
def test_a_guest_sends_from_its_own_address_only(world, to):
    stolen = echo(w.mac("a1"), w.mac(to), w.ca("a4"), w.ca(to), seq=51)
    made_up = echo(w.mac("a1"), w.mac(to), "10.1.1.99", w.ca(to), seq=51)
    outside = echo(w.mac("a1"), w.mac(to), "172.16.0.1", w.ca(to), seq=51)
    with Counted(world, "h1", "spoofed-ca", 3):
        assert_unheard(world, "a1", [stolen, made_up, outside], [to],
                       lambda p: is_echo(p, seq=51))


def test_a_guest_sends_from_its_own_mac_only(world):
    frame = echo(NOBODY, w.mac("a2"), w.ca("a1"), w.ca("a2"), seq=52)
    with Counted(world, "h1", "spoofed-mac"):
        assert_unheard(world, "a1", [frame], ["a2"],
                       lambda p: is_echo(p, seq=52))


def test_routed_packets_are_no_exception(world):
    frame = echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a2"), w.ca("b1"), seq=53)
    with Counted(world, "h1", "spoofed-ca"), world.tap("b1") as b1, \
            world.tap("a1") as a1:
        a1.send(frame, echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), w.ca("b1"),
                            seq=54))
        seen = b1.until(lambda p: is_echo(p, seq=54), "fence")
        assert not [p for p in seen if is_echo(p, seq=53)]


def arp_answer(sender_mac, sender, of_mac=None):
    return Ether(src=sender_mac, dst=BROADCAST) / ARP(
        op="is-at", hwsrc=of_mac or sender_mac, psrc=sender,
        hwdst=BROADCAST, pdst=sender)


def test_a_guest_speaks_arp_for_itself_only(world):
    own = w.mac("a1")
    with Counted(world, "h1", "spoofed-ca"), \
            Counted(world, "h1", "spoofed-neighbor"):
        assert_unheard(world, "a1", [
            arp_answer(own, w.ca("a2")),
            arp_answer(own, w.ca("a1"), w.mac("a2"))],
            ["a2", "a3"], is_arp_reply)


def test_a_guest_announces_itself(world):
    """Gratuitous ARP and a probe are its right."""
    with world.tap("a1") as a1, world.tap("a3") as a3:
        a1.send(arp_answer(w.mac("a1"), w.ca("a1")))
        a3.expect(lambda p: is_arp_reply(p, w.ca("a1")), "announcement")
        a1.send(arp_request(w.mac("a1"), "0.0.0.0", w.ca("a3")))
        a1.expect(lambda p: is_arp_reply(p, w.ca("a3")), "answer to a probe")


def test_bridges_words_from_a_guest_reach_nobody(world):
    frames = [Ether(src=w.mac("a1"), dst=dst, type=0x88cc) / (b"x" * 46)
              for dst in ("01:80:c2:00:00:00", "01:80:c2:00:00:0e")]
    with Counted(world, "h1", "reserved-mac", 2):
        assert_unheard(world, "a1", frames, ["a2", "a3"],
                       lambda p: p.type == 0x88cc)


def test_tagged_frames_reach_nobody(world):
    frame = (Ether(src=w.mac("a1"), dst=w.mac("a2")) / Dot1Q(vlan=5)
             / IP(src=w.ca("a1"), dst=w.ca("a2")) / ICMP())
    with Counted(world, "h1", "tagged"):
        assert_unheard(world, "a1", [frame], ["a2"], lambda p: ICMP in p)


def test_a_guests_tunnel_packets_are_its_own_affair(world):
    """VXLAN, GRE and BFD that a guest sends to a host's address go nowhere."""
    inner = echo(w.mac("x1"), w.mac("x3"), w.ca("x1"), w.ca("x3"), seq=55)
    outer = (Ether(src=w.mac("a1"), dst=w.ROUTER_MAC)
             / IP(src=w.ca("a1"), dst=w.PAS["h2"]))
    frames = [outer / UDP(sport=9, dport=4789) / VXLAN(vni=6001) / inner,
              outer / UDP(sport=9, dport=3784) / (b"x" * 24),
              outer / GRE(proto=0x6558, key_present=1, key=6001 << 8) / inner]
    with uplink_tap(world.lab, "h1") as uplink:
        assert_unheard(world, "a1", frames, ["a2", "a3"],
                       lambda p: IP in p)
        sent = uplink.until(is_tunnelled, "fence", outgoing=True)
        assert not [p for p in sent if IP in p and p[IP].src == w.ca("a1")]


def test_a_port_may_be_let_do_as_it_likes(world):
    ports = world.rows("h1", "Physical_Port", ["_uuid", "name"])
    guid = w.BY_NAME["a1"].port
    row = next(p["_uuid"] for p in ports if guid in p["name"].lower())

    def allow(*pairs):
        world.transact("h1", {
            "op": "update", "table": "Physical_Port",
            "where": [["_uuid", "==", row]],
            "row": {"other_config": ["map", [list(p) for p in pairs]]}})

    frame = echo(NOBODY, w.mac("a2"), "172.16.0.1", w.ca("a2"), seq=56)
    allow(("allow_spoof", "true"))
    try:
        with world.tap("a1") as a1, world.tap("a2") as a2:
            a1.send(frame)
            a2.expect(lambda p: is_echo(p, seq=56), "packet")
        allow(("allow_spoof", "perhaps"))
        texts = [r["text"] for r in world.rows("h1", "Diagnostic", ["text"])]
        assert any('allow_spoof "perhaps"' in text for text in texts)
        assert_unheard(world, "a1", [frame], ["a2"],
                       lambda p: is_echo(p, seq=56))
    finally:
        allow()


def test_a_guest_that_forwards_sends_packets_of_others(world):
    """But does not speak for its neighbours in ARP, and has a MAC of its own.
    It asks from any address that is not of its subnet."""
    row = policy.insert("Ports", {"name": policy.braced(w.BY_NAME["a1"].port),
                                  "enable_ip_forwarding": True})
    outside = echo(w.mac("a1"), w.mac("a3"), "172.16.0.1", w.ca("a3"), seq=57)
    of_a2 = echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a2"), w.ca("b2"), seq=58)
    world.transact("h1", row, db="ms_darv")
    try:
        with world.tap("a1") as a1, world.tap("a3") as a3, \
                world.tap("b2") as b2:
            a1.send(outside, of_a2)
            a3.expect(lambda p: is_echo(p, seq=57), "packet")
            a1.send(arp_request(w.mac("a1"), "172.16.0.1", w.GATEWAY_A))
            a1.expect(lambda p: is_arp_reply(p, w.GATEWAY_A), "ARP answer")
            b2.expect(lambda p: is_echo(p, seq=58), "packet")
        with Counted(world, "h1", "spoofed-ca", 3), \
                Counted(world, "h1", "spoofed-mac"):
            assert_unheard(world, "a1", [
                arp_answer(w.mac("a1"), w.ca("a2")),
                arp_answer(w.mac("a1"), "172.16.0.1"),
                arp_request(w.mac("a1"), w.ca("a2"), w.ca("a3")),
                echo(NOBODY, w.mac("a2"), "172.16.0.1", w.ca("a2"))],
                ["a2", "a3"], lambda p: is_arp_reply(p) or is_echo(p))
    finally:
        world.transact("h1", {"op": "delete", "table": "Ports", "where": []},
                       db="ms_darv")
    with Counted(world, "h1", "spoofed-ca"):
        assert_unheard(world, "a1", [outside], ["a3"],
                       lambda p: is_echo(p, seq=57))


def from_host(world, real, source, inner):
    """'inner' as a host with PA 'source' would send it, by the way that the
    packet 'real' took."""
    outer = (Ether(src=real.src, dst=real.dst)
             / IP(src=source, dst=real[IP].dst))
    if world.policy.encap == "vxlan":
        return (outer / UDP(sport=50000, dport=4789, chksum=0)
                / VXLAN(flags=8, vni=5001) / inner)
    return outer / GRE(proto=0x6558, key_present=1, key=5001 << 8) / inner


def assert_not_let_in(world, source, inner):
    """h2 gets 'inner', an echo for a3 of sequence 61, from the wire; a3 does
    not."""
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a1") as a1, \
            world.tap("a3") as a3:
        a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                     seq=60))
        real = uplink.expect(is_tunnelled, "packet", outgoing=True)
        good = echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"), seq=62)
        uplink.send(from_host(world, real, source, inner),
                    from_host(world, real, w.PAS["h1"], good))
        seen = a3.until(lambda p: is_echo(p, seq=62), "fence")
        assert not [p for p in seen if is_echo(p, seq=61)]


def test_a_stranger_among_the_hosts_is_not_heard(world):
    inner = echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"), seq=61)
    with Counted(world, "h2", "unknown-peer"):
        assert_not_let_in(world, STRANGER, inner)


@pytest.mark.parametrize("mac, ca", [
    ("a3", "a1"), ("a1", "a3"), ("a1", "b2")])
def test_nobody_outside_is_a_guest_of_this_host(world, mac, ca):
    """Neither by its MAC nor by its address, of this or another subnet."""
    inner = echo(w.mac(mac), w.mac("a3"), w.ca(ca), w.ca("a3"), seq=61)
    with Counted(world, "h2", "claims-local"):
        assert_not_let_in(world, w.PAS["h1"], inner)
