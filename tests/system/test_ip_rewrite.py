# SPDX-License-Identifier: Apache-2.0
"""IP rewrite: no tunnel, but the PAs of sender and receiver in the header.

    contoso, one network:            fabrikam, with contoso's addresses:
      5001 10.1.1.0/24                 6001 10.1.1.0/24
      5002 10.1.2.0/24

    h1 192.168.1.10    a1 .111 10.1.1.11   a2 .112 10.1.1.12
                       b1 .121 10.1.2.11   x1 .131 10.1.1.11
    h2 192.168.2.20    a3 .113 10.1.1.13   b2 .122 10.1.2.12
                       x3 .133 10.1.1.13
    h3 192.168.1.30    a4 .114 10.1.1.14

x1 and x3 have the MACs and the CAs of a1 and a3, but PAs of their own; h2 is
behind the underlay's router."""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import socket

import pytest
from scapy.layers.inet import ICMP, IP, UDP, TCP
from scapy.layers.l2 import ARP, Ether

import world as w
from hnvlab import netns
from hnvlab.policy import Network, Subnet
from guest_sockets import socket_pair
from wire import (BROADCAST, Tap, arp_request, echo, is_arp_reply, is_echo,
                  is_tunnelled, uplink_tap)

PA = {"a1": "192.168.1.111", "a2": "192.168.1.112", "b1": "192.168.1.121",
      "x1": "192.168.1.131", "a3": "192.168.2.113", "b2": "192.168.2.122",
      "x3": "192.168.2.133", "a4": "192.168.1.114"}
REWRITE = {"encapsulation": "ip_rewrite"}
VMS = [dataclasses.replace(v, pas=[PA[v.name]]) for v in w.VMS]


def policy(encap="vxlan"):
    return w.policy(encap, vms=VMS, networks=[
        Network("contoso", [Subnet(5001, "10.1.1.0/24", REWRITE),
                            Subnet(5002, "10.1.2.254/24", REWRITE)]),
        Network("fabrikam", [Subnet(6001, "10.1.1.0/24", REWRITE)])])


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    """The encapsulation that locators have makes no difference."""
    made = w.World(make_lab(w.description()), policy(request.param))
    made.ping_soon("a1", w.ca("a3"))
    made.ping_soon("a1", w.ca("a4"))
    return made


def carried(tap, src, dst, layer=IP, **more):
    """The first packet on an uplink from one guest's PA to another's; there
    is nothing around it, and its checksums are right."""
    packet = tap.expect(
        lambda p: layer in p and (p[IP].src, p[IP].dst) == (PA[src], PA[dst])
        and all(getattr(p[layer], k) == v for k, v in more.items()),
        f"{layer.__name__} packet from {PA[src]} to {PA[dst]}",
        outgoing=True)
    assert not is_tunnelled(packet)
    assert_checksums(packet)
    return packet


def assert_checksums(packet):
    """What the header says is what scapy works out."""
    mended = packet[IP].copy()
    for layer in (IP, ICMP, UDP, TCP):
        if layer in mended and not (layer == UDP
                                    and packet[UDP].chksum == 0):
            del mended[layer].chksum
    assert bytes(mended) == bytes(packet[IP])


def from_guest(src, dst, payload, **ip):
    """A packet by which guest 'src' sends to guest 'dst', on its link."""
    same = w.BY_NAME[src].vsid == w.BY_NAME[dst].vsid
    return (Ether(src=w.mac(src), dst=w.mac(dst) if same else w.ROUTER_MAC)
            / IP(src=w.ca(src), dst=w.ca(dst), **ip) / payload)


def deliver(world, src, dst, packet, wanted):
    """Sends what 'src' has to say, returns what 'dst' hears of it, and what
    left the host of 'src'."""
    host = w.BY_NAME[src].host
    with world.tap(src) as source, world.tap(dst) as sink, \
            uplink_tap(world.lab, host) as uplink:
        source.send(packet)
        return (sink.expect(wanted, "packet from " + src),
                carried(uplink, src, dst))


def nothing_but(tap, allowed, fence):
    """What came before 'fence' and is not 'allowed'."""
    return [p.summary() for p in tap.until(fence, "fence") if not allowed(p)]


def test_two_guests_of_a_subnet_on_two_hosts(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", w.ca("a3"), 3)
        there = carried(uplink, "a1", "a3", ICMP, type=8)
        back = carried(uplink, "a3", "a1", ICMP, type=0)
        assert bytes(there[ICMP].payload) == bytes(back[ICMP].payload)


def test_two_hosts_in_one_provider_subnet(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a4", w.ca("a1"), 2)
        carried(uplink, "a4", "a1", ICMP, type=8)


def test_between_subnets_on_two_hosts(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", w.ca("b2"), 2)
        carried(uplink, "a1", "b2", ICMP, type=8)
        carried(uplink, "b2", "a1", ICMP, type=0)


def test_between_subnets_on_one_host(world):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", w.ca("b1"), 2)
        nothing_left(uplink)


def test_local_traffic_is_not_rewritten(world):
    packet = from_guest("a1", "a2", UDP(sport=7, dport=7) / b"near")
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a1") as source, \
            world.tap("a2") as sink:
        source.send(packet)
        heard = sink.expect(lambda p: UDP in p and p[UDP].dport == 7, "it")
        nothing_left(uplink)
    assert bytes(heard) == bytes(packet)


def nothing_left(tap):
    """No packet of a guest has left so far."""
    fence = Ether(src="02:00:00:00:00:99", dst=BROADCAST) / ARP(
        pdst="192.0.2.99", psrc="192.0.2.98", hwsrc="02:00:00:00:00:99")
    tap.send_beside(fence)
    before = tap.until(lambda p: ARP in p and p[ARP].pdst == "192.0.2.99",
                       "fence", outgoing=True)
    left = [p.summary() for p in before
            if IP in p and (p[IP].src in PA.values()
                            or p[IP].dst in PA.values())]
    assert not left, left


PAYLOADS = [UDP(sport=7, dport=9) / b"datagram",
            TCP(sport=7, dport=9, flags="S", seq=5) / b"segment",
            ICMP(type=8, id=3, seq=4) / b"echo"]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda p: p.name)
def test_the_frame_is_rebuilt_at_the_receiver(world, payload):
    """Addresses and checksums are as the sender had them; TTL is less by the
    hosts and the underlay's router, which forwarded it."""
    packet = from_guest("a1", "a3", payload, ttl=64)
    kind = type(payload)
    heard, _ = deliver(world, "a1", "a3", packet, lambda p: (
        kind in p and bytes(p[kind].payload) == bytes(payload.payload)))
    sent = Ether(bytes(packet))
    assert (heard.src, heard.dst) == (w.mac("a1"), w.mac("a3"))
    assert (heard[IP].src, heard[IP].dst) == (w.ca("a1"), w.ca("a3"))
    assert heard[IP].ttl == 61
    assert_checksums(heard)
    assert bytes(heard[kind]) == bytes(sent[kind])


def test_a_routed_frame_comes_from_the_router(world):
    packet = from_guest("b2", "a1", UDP(sport=7, dport=11) / b"x", ttl=64)
    heard, _ = deliver(world, "b2", "a1", packet,
                       lambda p: UDP in p and p[UDP].dport == 11)
    assert (heard.src, heard.dst) == (w.ROUTER_MAC, w.mac("a1"))
    assert (heard[IP].src, heard[IP].dst) == (w.ca("b2"), w.ca("a1"))
    assert heard[IP].ttl == 60
    assert_checksums(heard)


def test_a_datagram_without_checksum_stays_without(world):
    packet = from_guest("a1", "a3", UDP(sport=7, dport=12, chksum=0) / b"x")
    heard, outer = deliver(world, "a1", "a3", packet,
                           lambda p: UDP in p and p[UDP].dport == 12)
    assert heard[UDP].chksum == 0 and outer[UDP].chksum == 0


@pytest.mark.parametrize("server", ["a3", "b2"])
def test_tcp(world, server):
    """A megabyte there, its digest back."""
    data = os.urandom(1 << 20)
    client, listener = socket_pair(world, socket.SOCK_STREAM, "a1", server,
                                   w.ca(server))
    with client, listener:
        listener.listen(1)
        client.connect(listener.getsockname())
        accepted, peer = listener.accept()
        with accepted, concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert peer[0] == w.ca("a1")
            accepted.settimeout(20)
            job = pool.submit(client.sendall, data)
            with accepted.makefile("rb") as stream:
                got = stream.read(len(data))
            job.result()
            accepted.sendall(hashlib.sha256(got).digest())
            assert client.recv(32, socket.MSG_WAITALL) == hashlib.sha256(
                data).digest()


@pytest.mark.parametrize("size", [100, 4000])
@pytest.mark.parametrize("server", ["a3", "b2"])
def test_udp(world, server, size):
    """With 4000 bytes also in fragments."""
    client, other = socket_pair(world, socket.SOCK_DGRAM, "a1", server,
                                w.ca(server))
    with client, other:
        client.sendto(os.urandom(size - 4) + b"\0\1\2\3",
                      other.getsockname())
        data, peer = other.recvfrom(65536)
        assert peer[0] == w.ca("a1") and len(data) == size
        other.sendto(data, peer)
        assert client.recv(65536) == data


def test_big_packets_arrive_whole(world):
    world.ping("a1", w.ca("a3"), 2, size=1472)


def test_an_error_names_the_addresses_that_guests_know(world):
    """Nobody listens: what comes back quotes the packet as it was sent."""
    with world.tap("a1") as tap:
        tap.send(from_guest("a1", "a3", UDP(sport=7, dport=13) / b"x"))
        error = tap.expect(lambda p: ICMP in p and p[ICMP].type == 3,
                           "port unreachable")
        quoted = IP(bytes(error[ICMP].payload))
        assert (error[IP].src, quoted.src, quoted.dst) == (
            w.ca("a3"), w.ca("a1"), w.ca("a3"))


def test_tenants_with_the_same_addresses_never_meet(world):
    """a1 and x1 both say 10.1.1.11 to 10.1.1.13, at the same time."""
    with world.tap("a1") as a1, world.tap("x1") as x1, \
            world.tap("a3") as a3, world.tap("x3") as x3:
        for seq in range(1, 21):
            a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                         seq, ident=1000))
            x1.send(echo(w.mac("x1"), w.mac("x3"), w.ca("x1"), w.ca("x3"),
                         seq, ident=2000))
        for tap, ident in ((a3, 1000), (x3, 2000)):
            others = nothing_but(
                tap, lambda p, i=ident: ICMP not in p or p[ICMP].id == i,
                lambda p, i=ident: is_echo(p, 20) and p[ICMP].id == i)
            assert not others, others
        for tap, ident in ((a1, 1000), (x1, 2000)):
            others = nothing_but(
                tap, lambda p, i=ident: ICMP not in p or p[ICMP].id == i,
                lambda p, i=ident: is_echo(p, 20, kind=0)
                and p[ICMP].id == i)
            assert not others, others


def test_a_source_that_is_not_the_guests_goes_nowhere(world):
    """Another guest's on this host, on another host, nobody's; then, as a
    fence, its own."""
    with world.tap("a1") as a1, world.tap("a3") as a3:
        for seq, src in enumerate((w.ca("a2"), w.ca("a4"), "10.1.1.77"), 1):
            a1.send(echo(w.mac("a1"), w.mac("a3"), src, w.ca("a3"), seq,
                         ident=66))
        a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"), 9,
                     ident=66))
        others = nothing_but(
            a3, lambda p: not is_echo(p) or p[ICMP].id != 66,
            lambda p: is_echo(p, 9))
        assert not others, others


def test_from_the_underlay_only_neighbours_are_heard(world):
    """What claims to be from nobody, from a local guest, from another tenant,
    or not in a header of its own, reaches no guest; what is from a guest of
    the network does."""
    lab = world.lab
    with Tap(lab.host("h3").namespace, "br-phy0") as h3, \
            world.tap("a1") as a1:
        mac = lab_mac(lab, "h1", "br-phy0")
        for seq, src in enumerate(("192.168.1.77", PA["a2"], PA["x3"],
                                   w.PAS["h3"]), 1):
            h3.send(echo(lab_mac(lab, "h3", "br-phy0"), mac, src, PA["a1"],
                         seq, ident=55))
        h3.send(echo(lab_mac(lab, "h3", "br-phy0"), mac, PA["a4"], PA["a1"],
                     9, ident=55))
        others = nothing_but(
            a1, lambda p: not is_echo(p) or p[ICMP].id != 55,
            lambda p: is_echo(p, 9, src=w.ca("a4")))
        assert not others, others


def lab_mac(lab, host, device):
    links = json.loads(netns.run(netns.command(lab.host(host).namespace, [
        "ip", "-j", "link", "show", device])))
    return links[0]["address"]


def test_addresses_are_answered_as_ever(world):
    with world.tap("a1") as tap:
        tap.send(arp_request(w.mac("a1"), w.ca("a1"), w.ca("a3"), BROADCAST))
        assert tap.expect(lambda p: is_arp_reply(p, w.ca("a3")),
                          "ARP answer").hwsrc == w.mac("a3")
    assert world.gateway_mac("a1", w.GATEWAY_A) == w.ROUTER_MAC


def test_broadcasts_stay_on_the_host(world):
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a1") as source, \
            world.tap("a2") as sink:
        source.send(Ether(src=w.mac("a1"), dst=BROADCAST)
                    / IP(src=w.ca("a1"), dst="10.1.1.255")
                    / UDP(sport=7, dport=14) / b"all")
        sink.expect(lambda p: UDP in p and p[UDP].dport == 14, "broadcast")
        nothing_left(uplink)
