# SPDX-License-Identifier: Apache-2.0
"""Broadcast and multicast, by each way to replicate them.

World.py's network, without fabrikam's x3, and in subnet 5001 also

    a5 on h2   10.1.1.15, 10.1.1.5, and no IPv6
    d1 on h1   10.1.1.31, and d2 on h2 10.1.1.32, which they do not know:
               a DHCP server on a1 has yet to tell them

so that h2 has three guests of it.  a1, a3, a4 have IPv6 addresses, too.
"""

import contextlib
import dataclasses
import os
import subprocess

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether

from hnvlab import netns
from hnvlab.policy import Network, Subnet, switch_uuid

import world as w
from wire import (BROADCAST, Outer, echo, is_echo, is_tunnelled, uplink_tap)

V6 = {"a1": "fd00:1::11", "a3": "fd00:1::13", "a4": "fd00:1::14"}
A5 = w.vm("a5", "h2", 5001, "10.1.1.15", "00:15:5d:00:01:05")
D1 = w.vm("d1", "h1", 5001, "10.1.1.31", "00:15:5d:00:01:31")
D2 = w.vm("d2", "h2", 5001, "10.1.1.32", "00:15:5d:00:01:32")
A = ["a1", "a2", "a3", "a4"]
VMS = [dataclasses.replace(w.BY_NAME[n], cas=[w.ca(n), *([V6[n]] if n in V6
                                                         else [])])
       for n in A]
VMS += [w.BY_NAME[n] for n in ("b1", "b2", "x1")]
VMS += [dataclasses.replace(A5, cas=["10.1.1.15", "10.1.1.5"]), D1, D2]
BY_NAME = {v.name: v for v in VMS}
# What a copy per guest is made out to.
CAS = {"a2": "10.1.1.12", "a3": "10.1.1.13", "a4": "10.1.1.14",
       "a5": "10.1.1.5", "d1": "10.1.1.31", "d2": "10.1.1.32"}
OTHERS = ["b1", "b2", "x1"]
EXPERIMENT = 0x88b5             # Of no protocol (IEEE 802).


def policy(encap, mode):
    """'mode' is for the other_config of 5001."""
    return w.policy(encap, vms=VMS, networks=[
        Network("contoso", [Subnet(5001, "10.1.1.0/24", mode),
                            Subnet(5001, "fd00:1::/64", mode),
                            Subnet(5002, "10.1.2.254/24")]),
        Network("fabrikam", [Subnet(6001, "10.1.1.0/24")])])


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def lab(request, make_lab):
    """A world without a policy yet, and its encapsulation."""
    description = w.description(
        [dataclasses.replace(v, cas=[ca for ca in v.cas if ":" not in ca])
         for v in VMS])
    for vm in description["vms"]:
        if vm["name"] in ("d1", "d2"):
            vm.update(ip=[], gateway=[])
    return w.World(make_lab(description)), request.param


MODES = {"default": {}, "per_pa": {"replication": "per_pa"},
         "per_vm": {"replication": "per_vm"},
         "multicast": {"replication": "multicast", "group_pa": "239.1.2.3"}}


@pytest.fixture(params=MODES)
def mode(request, lab):
    """Puts 5001 into the mode."""
    lab[0].apply(policy(lab[1], MODES[request.param]))
    return request.param


@pytest.fixture
def per_vm(lab):
    lab[0].apply(policy(lab[1], MODES["per_vm"]))
    return lab[0]


@pytest.fixture
def world(lab, mode):
    return lab[0]


@contextlib.contextmanager
def taps_of(world, names):
    with contextlib.ExitStack() as stack:
        yield {n: stack.enter_context(world.tap(n)) for n in names}


def checksums_are_right(packet):
    """True if all of them are what they would be if made anew."""
    again = packet.copy()
    for layer in (IP, UDP, ICMPv6EchoRequest):
        if layer in again:
            for field in ("chksum", "cksum"):
                if field in again[layer].fields:
                    delattr(again[layer], field)
    return bytes(Ether(bytes(again))) == bytes(packet)


def fence(taps, source, names, seq):
    """What has come to each of 'names' before an echo that 'source' sends to
    it now, or for a guest elsewhere in the policy the router."""
    before = {}
    for name in names:
        to, sender = BY_NAME[name], BY_NAME[source]
        if to.vsid == 6001:
            continue
        taps[source].send(echo(
            sender.mac, to.mac if to.vsid == 5001 else w.ROUTER_MAC,
            sender.cas[0], to.cas[0], seq=seq))
        before[name] = taps[name].until(lambda p: is_echo(p, seq=seq),
                                        "fence")
    return before


def send_to_all(world, frame, is_copy, seq):
    """Sends a frame of a1's; returns {guest: its copy} after checking that
    every guest of the subnet got one, and nobody got more, or hears of it who
    should not."""
    names = [*A, "a5", "d1", "d2", *OTHERS]
    with taps_of(world, names) as taps:
        taps["a1"].send(frame)
        copies = {n: taps[n].expect(is_copy, "copy") for n in CAS}
        before = fence(taps, "a1", names[1:], seq)
        again = {n: [p.summary() for p in packets if is_copy(p)]
                 for n, packets in before.items()}
        assert not any(again.values()), again
        taps["a2"].send(echo(w.mac("a2"), w.mac("a1"), w.ca("a2"),
                             w.ca("a1"), seq=seq))
        back = [p for p in taps["a1"].until(lambda p: is_echo(
            p, seq=seq, src=w.ca("a2")), "fence") if is_copy(p)]
        assert not back, "back to the sender"
        return copies


def datagram(dst_mac, dst, sport):
    return (Ether(src=w.mac("a1"), dst=dst_mac)
            / IP(src=w.ca("a1"), dst=dst) / UDP(sport=sport, dport=9999)
            / b"to all")


@pytest.mark.parametrize("dst_mac, dst, sport", [
    (BROADCAST, "255.255.255.255", 2001), (BROADCAST, "10.1.1.255", 2002),
    ("01:00:5e:01:02:03", "239.1.2.3", 2003)])
def test_everybody_gets_one_copy(world, mode, dst_mac, dst, sport):
    copies = send_to_all(world, datagram(dst_mac, dst, sport),
                         lambda p: UDP in p and p[UDP].sport == sport, sport)
    for name, copy in copies.items():
        assert copy.src == w.mac("a1") and copy[IP].src == w.ca("a1")
        assert bytes(copy[UDP].payload)[:6] == b"to all"
        assert checksums_are_right(copy), copy.show(dump=True)
        if mode == "per_vm":
            assert (copy.dst, copy[IP].dst) == (BY_NAME[name].mac, CAS[name])
        else:
            assert (copy.dst, copy[IP].dst) == (dst_mac, dst)


def copies_on_the_wire(world, sport, n):
    """What leaves h1 of a1's broadcast from this port: 'n' copies, waited for
    as long as it takes, and none besides before a packet that follows them."""
    def is_copy(packet):
        return (is_tunnelled(packet) and UDP in Outer(packet).inner
                and Outer(packet).inner[UDP].sport == sport)

    with uplink_tap(world.lab, "h1") as uplink, world.tap("a1") as a1:
        a1.send(datagram(BROADCAST, "255.255.255.255", sport))
        copies = [uplink.expect(is_copy, "copy", outgoing=True)
                  for _ in range(n)]
        a1.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                     seq=sport))
        copies += [p for p in uplink.until(
            lambda p: is_tunnelled(p) and is_echo(Outer(p).inner, seq=sport),
            "fence", outgoing=True) if is_copy(p)]
        return [Outer(p) for p in copies]


def test_how_many_copies_are_on_the_wire(world, mode):
    """Per PA one to each of two hosts, although three of the guests are on
    the one; per guest one to each of the four that are elsewhere."""
    h2, h3 = w.PAS["h2"], w.PAS["h3"]
    wanted = [h2, h2, h2, h3] if mode == "per_vm" else [h2, h3]
    outers = copies_on_the_wire(world, 2010, len(wanted))
    assert sorted(o.dst for o in outers) == sorted(wanted)


def test_ipv6_multicast(world, mode):
    """Guests without an IPv6 address have it with their MAC alone."""
    frame = (Ether(src=w.mac("a1"), dst="33:33:00:00:01:23")
             / IPv6(src=V6["a1"], dst="ff05::123")
             / UDP(sport=2020, dport=9999) / b"to all")
    copies = send_to_all(world, frame,
                         lambda p: UDP in p and p[UDP].sport == 2020, 2020)
    for name, copy in copies.items():
        assert checksums_are_right(copy), copy.show(dump=True)
        if mode == "per_vm":
            assert copy.dst == BY_NAME[name].mac
            assert copy[IPv6].dst == V6.get(name, "ff05::123")
        else:
            assert (copy.dst, copy[IPv6].dst) == (frame.dst, "ff05::123")


def test_what_is_not_ip(world, mode):
    """An announcement by ARP, and a protocol that nobody knows."""
    announcement = Ether(src=w.mac("a1"), dst=BROADCAST) / ARP(
        op="is-at", hwsrc=w.mac("a1"), psrc=w.ca("a1"), hwdst=BROADCAST,
        pdst=w.ca("a1"))
    other = Ether(src=w.mac("a1"), dst=BROADCAST,
                  type=EXPERIMENT) / (b"x" * 50)
    for frame, is_copy, seq in (
            (announcement, lambda p: ARP in p, 2030),
            (other, lambda p: p.type == EXPERIMENT, 2031)):
        for name, copy in send_to_all(world, frame, is_copy, seq).items():
            assert copy.dst == (BY_NAME[name].mac if mode == "per_vm"
                                else BROADCAST)
            assert bytes(copy)[6:42] == bytes(frame)[6:42]


def test_only_a_group_address_is_replaced(per_vm):
    """Not one guest's in a broadcast frame, nor those of fragments: of these
    Open vSwitch would spoil what is not a checksum."""
    copies = send_to_all(per_vm, datagram(BROADCAST, w.ca("a4"), 2040),
                         lambda p: UDP in p and p[UDP].sport == 2040, 2040)
    for name, copy in copies.items():
        assert (copy.dst, copy[IP].dst) == (BY_NAME[name].mac, w.ca("a4"))
    whole = (IP(src=w.ca("a1"), dst="239.1.2.3", id=77)
             / UDP(sport=2041, dport=9999) / (b"y" * 2000))
    for i, part in enumerate(fragment(whole, 1400)):
        frame = Ether(src=w.mac("a1"), dst="01:00:5e:01:02:03") / part
        copies = send_to_all(
            per_vm, frame, lambda p, n=part.frag: IP in p and p[IP].id == 77
            and p[IP].frag == n, 2042 + i)
        for name, copy in copies.items():
            assert copy.dst == BY_NAME[name].mac
            assert bytes(copy)[14:14 + len(part)] == bytes(part)


def test_other_subnets_go_on_per_pa(per_vm):
    with taps_of(per_vm, ["b1", "b2"]) as taps:
        taps["b1"].send(Ether(src=w.mac("b1"), dst=BROADCAST)
                        / IP(src=w.ca("b1"), dst="255.255.255.255")
                        / UDP(sport=2050, dport=9999) / b"to all")
        copy = taps["b2"].expect(
            lambda p: UDP in p and p[UDP].sport == 2050, "copy")
        assert (copy.dst, copy[IP].dst) == (BROADCAST, "255.255.255.255")


def test_copies_per_guest_follow_the_mappings(per_vm, lab):
    """A guest that is gone from the policy gets none; one that moved gets it
    where it is; nothing else has to change."""
    before = per_vm.policy
    per_vm.apply(before.without("d2").moved("a4", "h2"))
    try:
        copies = sorted((o.dst, o.inner.dst, o.inner[IP].dst)
                        for o in copies_on_the_wire(per_vm, 2060, 3))
        assert copies == sorted((w.PAS["h2"], BY_NAME[n].mac, CAS[n])
                                for n in ("a3", "a4", "a5"))
    finally:
        per_vm.apply(before)


def test_a_copy_per_guest_goes_to_both_hosts_of_one_that_moves(per_vm):
    """Of one that leaves this host, and of one that leaves another."""
    before = per_vm.policy
    per_vm.apply(before.moving("a2", "h2", migrating=True)
                 .moving("a4", "h2", migrating=True))
    try:
        with per_vm.tap("a2") as a2:
            copies = sorted((o.dst, o.inner.dst, o.inner[IP].dst)
                            for o in copies_on_the_wire(per_vm, 2080, 6))
            assert copies == sorted(
                (w.PAS[host], BY_NAME[n].mac, CAS[n]) for n, host in (
                    ("a2", "h2"), ("a3", "h2"), ("a4", "h2"), ("a4", "h3"),
                    ("a5", "h2"), ("d2", "h2")))
            copy = a2.expect(lambda p: UDP in p and p[UDP].sport == 2080,
                             "copy")
            assert (copy.dst, copy[IP].dst) == (w.mac("a2"), CAS["a2"])
    finally:
        per_vm.apply(before)


@pytest.mark.parametrize("config, text", [
    ({"replication": "per vm"},
     'other_config:replication "per vm" is not "per_pa", "per_vm" or '
     '"multicast".'),
    ({"replication": "multicast"},
     'other_config:replication "multicast" is not possible without '
     'other_config:group_pa.'),
    ({"replication": "multicast", "group_pa": "192.168.2.20"},
     'other_config:group_pa "192.168.2.20" is not an IPv4 or IPv6 multicast '
     'address outside 224.0.0.0/24.'),
    ({"replication": "multicast", "group_pa": "239.1.2.3"},
     "the userspace datapath (datapath_type=netdev) sends no tunnel packets "
     "to a group")])
def test_what_cannot_be_is_said_and_per_pa_instead(lab, config, text):
    world, encap = lab
    world.apply(policy(encap, config))
    try:
        rows = world.rows("h1", "Diagnostic", ["code", "text"], [
            ["row", "==", ["uuid", switch_uuid(5001)]]])
        assert [r["code"] for r in rows] == [
            "NoMulticast" if "userspace" in text else "OtherConfig"]
        assert text in rows[0]["text"]
        with taps_of(world, ["a1", "a5"]) as taps:
            taps["a1"].send(datagram(BROADCAST, "255.255.255.255", 2070))
            copy = taps["a5"].expect(
                lambda p: UDP in p and p[UDP].sport == 2070, "copy")
            assert copy.dst == BROADCAST
    finally:
        world.apply(policy(encap, {}))
    assert not world.rows("h1", "Diagnostic", ["code"], [
        ["row", "==", ["uuid", switch_uuid(5001)]]])


@pytest.fixture(scope="module")
def dhcp_server(lab, tmp_path_factory):
    """A server on a1, which knows who is to have which address."""
    folder = tmp_path_factory.mktemp("dhcp")
    log = folder / "dnsmasq.log"
    args = netns.command(lab[0].lab.guest("a1").namespace, [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
        "--port=0", "--interface=eth0", "--no-ping", "--leasefile-ro",
        "--pid-file", "--user=root", "--dhcp-authoritative",
        f"--log-facility={log}", "--log-dhcp",
        "--dhcp-range=10.1.1.0,static,255.255.255.0",
        *[f"--dhcp-host={vm.mac},{vm.cas[0]}" for vm in (D1, D2)]])
    with subprocess.Popen(args, stdin=subprocess.DEVNULL) as server:
        yield log
        server.terminate()


CLIENT_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/24" dev "$interface"
"""


@pytest.mark.parametrize("flag", [[], ["-B"]], ids=["unicast", "broadcast"])
@pytest.mark.parametrize("client", [D1, D2], ids=["one-host", "two-hosts"])
def test_dhcp_between_two_guests(world, dhcp_server, tmp_path, client, flag):
    """The server is a1's, the client on the same host or on another; with -B
    the client wants the answers by broadcast."""
    script = tmp_path / "script"
    script.write_text(CLIENT_SCRIPT)
    os.chmod(script, 0o755)
    namespace = world.lab.guest(client.name).namespace
    try:
        netns.run(netns.command(namespace, [
            "udhcpc", "-f", "-n", "-q", "-t", "30", "-T", "1", "-i", "eth0",
            "-s", str(script), *flag]))
        shown = netns.run(netns.command(namespace, [
            "ip", "-4", "addr", "show", "dev", "eth0"]))
        assert f"inet {client.cas[0]}/24" in shown, dhcp_server.read_text()
        world.ping(client.name, w.ca("a1"))
    finally:
        netns.ip(namespace, ["addr flush dev eth0"])
