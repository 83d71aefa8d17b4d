# SPDX-License-Identifier: Apache-2.0
"""Static routes, of a network and of a subnet, for both families, over VXLAN
and over NVGRE.  See world_ipv6.py for who has which address; b1, a3 and a4
forward what others send."""

import contextlib
import re

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

import world as w
from hnvlab import policy as lab_policy
from wire import Outer, echo, is_echo, is_tunnelled, uplink_tap
from world_ipv6 import (GATEWAY_A, ca6, description, in_guest, is_echo6,
                        policy)

FORWARDERS = ["b1", "b2", "a3", "a4"]
BEYOND, BEYOND6 = "172.16.5.9", "2001:db8:beef:5::9"


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    world = w.World(make_lab(description()), policy(request.param))
    for name in FORWARDERS:
        in_guest(world, name, "sysctl", "-qw", "net.ipv4.ip_forward=1",
                 "net.ipv4.conf.all.send_redirects=0",
                 "net.ipv4.conf.eth0.send_redirects=0",
                 "net.ipv6.conf.all.forwarding=1")
        in_guest(world, name, "ip", "link", "set", "lo", "up")
        world.transact(w.BY_NAME[name].host, lab_policy.insert(
            "Ports", {"name": lab_policy.braced(w.BY_NAME[name].port),
                      "enable_ip_forwarding": True}), db="ms_darv")
    return world


def set_routes(world, table, key, routes):
    for host in world.lab.hosts:
        world.transact(host, lab_policy.update(table, key, {
            "static_routes": ["map", sorted(map(list, routes.items()))]}))


@contextlib.contextmanager
def routes(world, of_network=None, of_subnet=None, vsid=5001):
    """For a while, routes of network contoso and of a subnet of it."""
    network = lab_policy.row_uuid("router", "contoso")
    subnet = lab_policy.switch_uuid(vsid)
    set_routes(world, "Logical_Router", network, of_network or {})
    set_routes(world, "Logical_Switch", subnet, of_subnet or {})
    try:
        yield
    finally:
        set_routes(world, "Logical_Router", network, {})
        set_routes(world, "Logical_Switch", subnet, {})


@contextlib.contextmanager
def addresses(world, guest, *cas):
    """For a while, addresses of a guest's that are no CAs: what is behind
    it."""
    for ca in cas:
        in_guest(world, guest, "ip", "addr", "add", ca, "dev", "lo")
    try:
        yield
    finally:
        for ca in cas:
            in_guest(world, guest, "ip", "addr", "del", ca, "dev", "lo")


def to_router(name, dst, seq, ttl=64):
    """A guest's echo request to its gateway's MAC, of either family."""
    if ":" in dst:
        return (Ether(src=w.mac(name), dst=w.ROUTER_MAC)
                / IPv6(src=ca6(name), dst=dst, hlim=ttl)
                / ICMPv6EchoRequest(id=78, seq=seq))
    return echo(w.mac(name), w.ROUTER_MAC, w.ca(name), dst, seq=seq, ttl=ttl)


def is_seq(packet, seq):
    return is_echo(packet, seq=seq) or is_echo6(packet, seq)


def ttl_of(packet):
    return packet[IP].ttl if IP in packet else packet[IPv6].hlim


def reaches(world, name, dst, guest, seq):
    """The packet of guest 'name' for 'dst' that 'guest' gets."""
    with world.tap(name) as tap, world.tap(guest) as other:
        tap.send(to_router(name, dst, seq))
        packet = other.expect(lambda p: is_seq(p, seq), f"packet for {dst}")
        assert (packet.src, packet.dst) == (w.ROUTER_MAC, w.mac(guest))
        return packet


def diagnostics(world, host="h1"):
    return world.rows(host, "Diagnostic", ["table", "column", "code", "text"])


@pytest.mark.parametrize("guest, hop, vsid", [
    ("a1", "b1", 5002), ("a1", "a3", 5001), ("b2", "a4", 5001)])
def test_what_is_behind_a_guest_is_reached_through_it(world, guest, hop, vsid):
    """Whether it is on this host or another, in this subnet or another."""
    assert vsid == w.BY_NAME[hop].vsid
    with routes(world, {"172.16.0.0/16": w.ca(hop),
                        "2001:db8:beef::/48": ca6(hop)}), \
            addresses(world, hop, f"{BEYOND}/32", f"{BEYOND6}/128"):
        assert not diagnostics(world)
        world.ping(guest, BEYOND, 3)
        world.ping(guest, BEYOND6, 3)


def test_the_next_hops_subnet_is_on_the_wire(world):
    with routes(world, {"172.16.0.0/16": w.ca("b2"),
                        "2001:db8:beef::/48": ca6("b2")}), \
            uplink_tap(world.lab, "h1") as uplink, world.tap("a1") as a1:
        for seq, dst in enumerate((BEYOND, BEYOND6), 101):
            a1.send(to_router("a1", dst, seq))
            outer = Outer(uplink.expect(
                lambda p: is_tunnelled(p) and is_seq(Outer(p).inner, seq),
                "tunnelled packet", outgoing=True))
            assert (outer.src, outer.dst) == (w.PAS["h1"], w.PAS["h2"])
            assert 5002 == (outer.vni if outer.kind == "vxlan" else
                            outer.vsid)
            assert outer.inner.dst == w.mac("b2")
            assert ttl_of(outer.inner) == 63


@pytest.mark.parametrize("hop", ["b1", "b2"])
def test_a_guest_between_two_others_forwards(world, hop):
    """From a subnet whose route it is, one hop more; the way back, of the
    other subnet, is the usual one."""
    to = "b2" if hop == "b1" else "b1"
    with routes(world, of_subnet={f"{w.ca(to)}/32": w.ca(hop),
                                  f"{ca6(to)}/128": ca6(hop)}):
        world.ping("a1", w.ca(to), 3)
        world.ping("a1", ca6(to), 3)
        with world.tap("a1") as a1, world.tap(to) as other:
            for seq, dst in enumerate((w.ca(to), ca6(to)), 111):
                a1.send(to_router("a1", dst, seq))
                packet = other.expect(lambda p: is_seq(p, seq), "packet")
                assert packet.src == w.mac(hop)
                assert ttl_of(packet) == 62


def test_traceroute_shows_all_routers_on_the_way(world):
    with routes(world, of_subnet={f"{w.ca('b2')}/32": w.ca("b1")}), \
            world.tap("a1") as a1:
        hops = []
        for ttl in (1, 2, 3):
            a1.send(Ether(src=w.mac("a1"), dst=w.ROUTER_MAC)
                    / IP(src=w.ca("a1"), dst=w.ca("b2"), ttl=ttl)
                    / UDP(sport=40000, dport=33434 + ttl))
            answer = a1.expect(
                lambda p: ICMP in p and p[ICMP].type in (3, 11), "ICMP error")
            hops.append(answer[IP].src)
        assert hops == [w.GATEWAY_A, w.ca("b1"), w.ca("b2")]


def test_the_longest_prefix_wins(world):
    with routes(world, {"0.0.0.0/0": w.ca("a2"), "172.16.0.0/12": w.ca("a3"),
                        "172.16.5.0/24": w.ca("a4"), "::/0": ca6("a2"),
                        "2001:db8:beef::/48": ca6("a3"),
                        "2001:db8:beef:5::/64": ca6("a4")}):
        reaches(world, "a1", "8.8.8.8", "a2", 121)
        reaches(world, "a1", "172.16.6.1", "a3", 122)
        reaches(world, "a1", "172.16.5.1", "a4", 123)
        reaches(world, "a1", w.ca("b2"), "b2", 124)
        reaches(world, "a1", "2001:4860:4860::8888", "a2", 125)
        reaches(world, "a1", "2001:db8:beef:6::1", "a3", 126)
        reaches(world, "a1", "2001:db8:beef:5::1", "a4", 127)
        reaches(world, "a1", ca6("b2"), "b2", 128)


def test_of_equal_length_the_senders_own_wins(world):
    """The subnet's route before the network's before the prefix itself."""
    subnet_b, subnet_b6 = "10.1.2.0/24", "2001:db8:a:2::/64"
    with routes(world, {subnet_b: w.ca("a2"), subnet_b6: ca6("a2")}):
        reaches(world, "a1", w.ca("b2"), "a2", 131)
        reaches(world, "a1", ca6("b2"), "a2", 132)
    with routes(world, {subnet_b: w.ca("a2"), subnet_b6: ca6("a2")},
                {subnet_b: w.ca("a3"), subnet_b6: ca6("a3")}):
        reaches(world, "a1", w.ca("b2"), "a3", 133)
        reaches(world, "a1", ca6("b2"), "a3", 134)
    reaches(world, "a1", w.ca("b2"), "b2", 135)


def test_a_subnets_routes_are_for_its_guests_only(world):
    with routes(world, {"172.16.0.0/16": w.ca("a2")},
                {"172.16.0.0/16": w.ca("a3"), "10.9.0.0/16": w.ca("a3")}):
        reaches(world, "a1", BEYOND, "a3", 141)
        reaches(world, "b1", BEYOND, "a2", 142)
        with world.tap("b1") as b1:
            b1.send(to_router("b1", "10.9.0.1", 143))
            answer = b1.expect(lambda p: ICMP in p and p[ICMP].type == 3,
                               "net unreachable")
            assert (answer[IP].src, answer[ICMP].code) == (w.GATEWAY_B, 0)


def test_another_network_has_no_part_in_it(world):
    with routes(world, {"172.16.0.0/16": w.ca("a3")}), \
            world.tap("x1") as x1, world.tap("x3") as x3:
        x1.send(to_router("x1", BEYOND, 151), to_router("x1", w.ca("x3"), 152))
        x1.expect(lambda p: ICMP in p and p[ICMP].type == 3, "unreachable")
        before = x3.until(lambda p: is_echo(p, seq=152), "fence")
        assert not [p for p in before if is_echo(p, seq=151)]


def test_drop_is_silent(world):
    """And for its prefix only."""
    def dropped():
        text = world.on_host("h1", "ovs-appctl", "-t", "hnv-agent",
                             "hnv/drops")
        return int(re.search(r"by-route +(\d+)", text).group(1))

    before_all = dropped()
    with routes(world, {"172.16.0.0/16": w.ca("a3"), "172.16.5.0/24": "drop",
                        f"{w.ca('b2')}/32": "drop", f"{ca6('b2')}/128": "drop",
                        "10.9.0.0/16": "DROP"}), \
            world.tap("a1") as a1, world.tap("b2") as b2:
        assert not diagnostics(world)
        for dst in (BEYOND, w.ca("b2"), ca6("b2"), "10.9.9.9"):
            a1.send(to_router("a1", dst, 161))
        a1.send(to_router("a1", "10.10.0.1", 162))
        before = a1.until(lambda p: ICMP in p and p[ICMP].type == 3, "fence")
        assert not [p for p in before
                    if ICMP in p or ICMPv6DestUnreach in p]
        reaches(world, "a1", "172.16.6.1", "a3", 163)
        a1.send(echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), w.ca("b1"),
                     seq=164))
        assert not [p for p in b2.packets(timeout=0) if is_seq(p, 161)]
        w.forget_cached(world.lab.host("h1"))
        assert dropped() == before_all + 4


def test_a_change_takes_effect_at_once(world):
    network = lab_policy.row_uuid("router", "contoso")
    seq = 170
    for hop in ("a2", "a3", "b2", "a4", "b1"):
        set_routes(world, "Logical_Router", network,
                   {"172.16.0.0/16": w.ca(hop)})
        seq += 1
        reaches(world, "a1", BEYOND, hop, seq)
    set_routes(world, "Logical_Router", network, {})
    with world.tap("a1") as a1:
        a1.send(to_router("a1", BEYOND, seq + 1))
        a1.expect(lambda p: ICMP in p and p[ICMP].type == 3, "unreachable")


def test_a_next_hop_that_moves_takes_its_routes_along(world):
    with routes(world, {"172.16.0.0/16": w.ca("a3")}), \
            uplink_tap(world.lab, "h1") as uplink, world.tap("a1") as a1:
        moved = world.policy.moved("a3", "h3")
        before = world.policy
        world.apply(moved)
        a1.send(to_router("a1", BEYOND, 181))
        outer = Outer(uplink.expect(
            lambda p: is_tunnelled(p) and is_seq(Outer(p).inner, 181),
            "tunnelled packet", outgoing=True))
        assert outer.dst == w.PAS["h3"]
        world.apply(before)


def test_without_its_next_hop_a_prefix_is_unreachable(world):
    with routes(world, {"172.16.0.0/16": "10.1.2.77"}), world.tap("a1") as a1:
        assert not diagnostics(world), "it may be mapped yet"
        a1.send(to_router("a1", BEYOND, 191))
        answer = a1.expect(lambda p: ICMP in p and p[ICMP].type == 3,
                           "host unreachable")
        assert (answer[IP].src, answer[ICMP].code) == (w.GATEWAY_A, 1)


def test_a_route_back_to_the_sender_makes_no_loop(world):
    """The guest never sees the packet again."""
    with routes(world, {"172.16.0.0/16": w.ca("a1")}), world.tap("a1") as a1:
        a1.send(to_router("a1", BEYOND, 192), to_router("a1", "10.9.9.9", 193))
        before = a1.until(lambda p: ICMP in p and p[ICMP].type == 3, "fence")
        assert not [p for p in before if is_seq(p, 192)]


@pytest.mark.parametrize("prefix, hop", [
    ("10.9.0.0", "10.1.1.13"), ("nonsense/8", "10.1.1.13"),
    ("224.0.0.0/4", "10.1.1.13"), ("239.1.0.0/16", "10.1.1.13"),
    ("fe80::/64", "2001:db8:a:1::13"), ("10.9.0.0/16", "somebody"),
    ("10.9.0.0/16", ""), ("10.9.0.0/16", "10.7.7.7"),
    ("10.9.0.0/16", "10.1.1.1"), ("10.9.0.0/16", "10.1.2.254"),
    ("10.9.0.0/16", "10.1.1.255"), ("10.9.0.0/16", "2001:db8:a:1::13"),
    ("2001:db8:9::/48", "10.1.1.13"), ("2001:db8:9::/48", GATEWAY_A)])
def test_a_bad_route_alone_is_set_aside(world, prefix, hop):
    """In a network's routes and in a subnet's."""
    with routes(world, {prefix: hop, "172.16.0.0/16": w.ca("a3")},
                {prefix: hop, "10.8.0.0/16": w.ca("a4")}):
        found = sorted(diagnostics(world), key=lambda d: d["table"])
        assert [(d["table"], d["column"], d["code"]) for d in found] == [
            ("Logical_Router", "static_routes", "BadRoute"),
            ("Logical_Switch", "static_routes", "BadRoute")]
        assert all(f'"{prefix}" to "{hop}"' in d["text"] for d in found)
        reaches(world, "b2", BEYOND, "a3", 201)
        reaches(world, "a1", "10.8.0.1", "a4", 202)
    assert not diagnostics(world)


def test_a_prefix_has_one_route(world):
    """However it is written."""
    with routes(world, {"172.16.0.0/16": w.ca("a3"),
                        "172.16.9.9/16": w.ca("a4")}):
        (found,) = diagnostics(world)
        assert found["code"] == "BadRoute"
        assert '"172.16.9.9/16"' in found["text"]
        reaches(world, "a1", BEYOND, "a3", 203)


def test_a_switched_off_router_has_no_routes(world):
    on = world.policy
    with routes(world, {"172.16.0.0/16": w.ca("a3")},
                {"10.8.0.0/16": w.ca("a3")}):
        before = world.flows("h1")
        assert [f for f in before if "172.16.0.0/16" in f]
        for host in world.lab.hosts:
            world.transact(host, lab_policy.update(
                "Logical_Router", lab_policy.row_uuid("router", "contoso"),
                {"enable_logical_router": False}))
        assert not [f for f in world.flows("h1")
                    if "172.16.0.0/16" in f or "10.8.0.0/16" in f]
        with world.tap("a1") as a1:
            for dst in (BEYOND, "10.8.0.1", w.ca("b1")):
                a1.send(to_router("a1", dst, 211))
                a1.expect(lambda p: ICMP in p and p[ICMP].type == 3,
                          "unreachable")
        for host in world.lab.hosts:
            world.transact(host, lab_policy.update(
                "Logical_Router", lab_policy.row_uuid("router", "contoso"),
                {"enable_logical_router": True}))
        assert world.flows("h1") == before
    assert world.policy is on


def test_a_default_route_leads_no_multicast_out(world):
    with routes(world, {"0.0.0.0/0": w.ca("a3"), "::/0": ca6("a3")}), \
            world.tap("a1") as a1, world.tap("a3") as a3:
        for dst in ("224.0.0.251", "255.255.255.255", "169.254.169.254",
                    "127.0.0.1", "ff0e::1", "fe80::1"):
            a1.send(to_router("a1", dst, 221))
        a1.send(to_router("a1", "8.8.8.8", 222))
        before = a3.until(lambda p: is_seq(p, 222), "fence")
        assert not [p for p in before if is_seq(p, 221)]


def test_a_restart_of_the_agent_finds_its_routes(world):
    """The default routes, too, whose matches say nothing of the address."""
    def age():
        text = world.on_host("h1", "ovs-ofctl", "-OOpenFlow15", "dump-flows",
                             "br-int", "table=30")
        return min(map(float, re.findall(r"duration=([\d.]+)s", text)))

    with routes(world, {"0.0.0.0/0": w.ca("a3"), "::/0": ca6("a3"),
                        "172.16.0.0/16": "drop"}):
        before = age()
        world.lab.host("h1").agent.stop()
        world.lab.host("h1").agent.start()
        world.transact("h1")
        assert age() > before
        reaches(world, "a1", "8.8.8.8", "a3", 231)
