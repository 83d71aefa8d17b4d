# SPDX-License-Identifier: Apache-2.0
"""IP rewrite of IPv6: CAs and PAs are both of it.

    h1 2001:db8:1::10    a1 ::111 fd00:1::11
    h2 2001:db8:2::20    a3 ::113 fd00:1::13     behind the underlay's router
                         b2 ::122 fd00:2::12
    h3 2001:db8:1::30    a4 ::114 fd00:1::14

Neighbours and the gateway are found by ND, as ever."""

import concurrent.futures
import dataclasses
import os
import socket

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest,
                                 ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6,
                                 in6_chksum)
from scapy.layers.l2 import Ether

import world as w
from hnvlab import netns
from hnvlab.policy import Network, Policy, Subnet
from guest_sockets import socket_pair
from learning import wait_for
from test_ip_rewrite import REWRITE
from test_ipv6_underlay import PAS
from test_mtu import uplink_mtu
from wire import uplink_tap

PA = {"a1": "2001:db8:1::111", "a3": "2001:db8:2::113",
      "a4": "2001:db8:1::114", "b2": "2001:db8:2::122"}
CA = {"a1": "fd00:1::11", "a3": "fd00:1::13", "a4": "fd00:1::14",
      "b2": "fd00:2::12"}
GATEWAY = {"a": "fd00:1::1", "b": "fd00:2::1"}
VMS = [dataclasses.replace(w.BY_NAME[n], cas=[CA[n]], pas=[PA[n]])
       for n in PA]


@pytest.fixture(scope="module")
def world(make_lab):
    lab = make_lab({
        "underlay": [{"subnet": "2001:db8:1::/64",
                      "gateway": "2001:db8:1::1"},
                     {"subnet": "2001:db8:2::/64",
                      "gateway": "2001:db8:2::1"}],
        "hosts": [{"name": h, "pa": [pa]} for h, pa in PAS.items()],
        "vms": [{"name": v.name, "host": v.host, "port": v.port,
                 "mac": v.mac, "ip": [f"{CA[v.name]}/64"],
                 "gateway": GATEWAY[v.name[0]]} for v in VMS]})
    for host in lab.hosts.values():
        netns.sysctl(host.namespace, {"net/ipv6/conf/all/forwarding": 1})
    made = w.World(lab, Policy(
        hosts=PAS, networks=[Network("contoso", [
            Subnet(5001, "fd00:1::/64", REWRITE),
            Subnet(5002, "fd00:2::/64", REWRITE)])],
        vms=VMS, router_mac=w.ROUTER_MAC))
    for to in ("a3", "a4", "b2"):
        made.ping_soon("a1", CA[to])
    return made


def checksum(ip):
    """Of all that the header 'ip' has behind it, as scapy reckons; 0 if it is
    right."""
    return in6_chksum(ip.nh, ip, bytes(ip.payload))


def carried(tap, src, dst, layer):
    packet = tap.expect(
        lambda p: layer in p and (p[IPv6].src, p[IPv6].dst) == (
            PA[src], PA[dst]), f"packet from {PA[src]} to {PA[dst]}",
        outgoing=True)
    assert checksum(packet[IPv6]) == 0
    return packet


@pytest.mark.parametrize("to", ["a3", "a4", "b2"])
def test_ping(world, to):
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping("a1", CA[to], 3)
        carried(uplink, "a1", to, ICMPv6EchoRequest)
        carried(uplink, to, "a1", ICMPv6EchoReply)


@pytest.mark.parametrize("payload", [
    UDP(sport=7, dport=9) / b"datagram",
    TCP(sport=7, dport=9, flags="S", seq=5) / b"segment"],
    ids=lambda p: p.name)
def test_the_frame_is_rebuilt_at_the_receiver(world, payload):
    ip = IPv6(src=CA["a1"], dst=CA["a3"]) / payload.copy()
    kind = type(payload)
    ip.nh = {UDP: 17, TCP: 6}[kind]
    ip[kind].chksum = 0
    ip[kind].chksum = checksum(IPv6(bytes(ip)))
    packet = Ether(src=w.mac("a1"), dst=w.mac("a3")) / ip
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a1") as source, \
            world.tap("a3") as sink:
        source.send(packet)
        carried(uplink, "a1", "a3", kind)
        heard = sink.expect(lambda p: kind in p, "it")
    assert (heard.src, heard.dst) == (w.mac("a1"), w.mac("a3"))
    assert (heard[IPv6].src, heard[IPv6].dst) == (CA["a1"], CA["a3"])
    assert checksum(heard[IPv6]) == 0
    assert bytes(heard[kind]) == bytes(ip[kind])


@pytest.mark.parametrize("server", ["a3", "b2"])
def test_tcp(world, server):
    """A megabyte, within the subnet and between two."""
    data = os.urandom(1 << 20)
    client, listener = socket_pair(world, socket.SOCK_STREAM, "a1", server,
                                   CA[server])
    with client, listener:
        listener.listen(1)
        client.connect(listener.getsockname())
        accepted, peer = listener.accept()
        with accepted, concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert peer[0] == CA["a1"]
            accepted.settimeout(20)
            job = pool.submit(client.sendall, data)
            with accepted.makefile("rb") as stream:
                assert stream.read(len(data)) == data
            job.result()


@pytest.mark.parametrize("to", ["a3", "b2"])
def test_a_packet_that_is_too_long_is_answered(world, to):
    """By the gateway, who quotes it as it was sent."""
    head = IPv6(src=CA["a1"], dst=CA[to]) / UDP(sport=61, dport=9)
    with uplink_mtu(world, 1400):
        wait_for(lambda: dict(world.rows(
            "h1", "Physical_Port", ["status"])[0]["status"][1]).get("mtu")
            == "1400", "MTU")
        w.forget_cached(world.lab.host("h1"))
        with world.tap("a1") as a1:
            a1.send(Ether(src=w.mac("a1"),
                          dst=w.ROUTER_MAC if to == "b2" else w.mac(to))
                    / head / (b"x" * (1401 - len(head))))
            error = a1.expect(lambda p: ICMPv6PacketTooBig in p, "error")
    quoted = error[ICMPv6PacketTooBig].payload
    assert (error.src, error[IPv6].src) == (w.ROUTER_MAC, GATEWAY["a"])
    assert error[ICMPv6PacketTooBig].mtu == 1400
    assert (quoted.src, quoted.dst) == (CA["a1"], CA[to])


def test_the_last_hop_is_the_gateway(world):
    with world.tap("a1") as a1:
        a1.send(Ether(src=w.mac("a1"), dst=w.ROUTER_MAC)
                / IPv6(src=CA["a1"], dst=CA["b2"], hlim=1)
                / UDP(sport=62, dport=9))
        error = a1.expect(lambda p: ICMPv6TimeExceeded in p, "error")
    assert (error.src, error[IPv6].src) == (w.ROUTER_MAC, GATEWAY["a"])


def test_udp_in_fragments(world):
    client, server = socket_pair(world, socket.SOCK_DGRAM, "a1", "a3",
                                 CA["a3"])
    with client, server:
        client.sendto(b"0123456789" * 400, server.getsockname())
        data, peer = server.recvfrom(65536)
        assert peer[0] == CA["a1"] and data == b"0123456789" * 400
        server.sendto(data, peer)
        assert client.recv(65536) == data
