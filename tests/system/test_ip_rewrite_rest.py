# SPDX-License-Identifier: Apache-2.0
"""IP rewrite and what holds for all subnets: guards, MTU, TTL, routes, VLANs.
And what is not to be had with it.  See test_ip_rewrite.py for who is where.

Besides these there are two guests in network tailspin, which has tunnels, one
of which is also in contoso's 5001, by its VLAN 10:

    h1  t1 10.1.1.11   10.1.1.31, PA 192.168.1.151
    h2  t3 10.1.1.13"""

import contextlib
import dataclasses
import time

import pytest
from scapy.layers.inet import ICMP, IP, UDP, IPerror, UDPerror
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import world as w
from hnvlab import netns, policy as p
from learning import wait_for
from test_guards import Counted
from test_ip_rewrite import (PA, REWRITE, assert_checksums, carried,
                             from_guest, lab_mac, nothing_left, policy)
from test_mtu import UPLINK, is_frag_needed, uplink_mtu
from trunk import describe_trunk, tag_of, tagged
from wire import Tap, echo, is_echo, is_tunnelled, uplink_tap

T1 = w.vm("t1", "h1", 7001, "10.1.1.11", "00:15:5d:00:03:01")
T1_10 = dataclasses.replace(T1, vsid=5001, cas=["10.1.1.31"], vlan=10,
                            pas=["192.168.1.151"])
T3 = w.vm("t3", "h2", 7001, "10.1.1.13", "00:15:5d:00:03:03")
EXPERIMENT = 0x88b5             # Of no protocol (IEEE 802).


def first_policy():
    first = policy()
    return first.replace(
        vms=[*first.vms, T1, T1_10, T3],
        networks=[*first.networks, p.Network("tailspin", [
            p.Subnet(7001, "10.1.1.0/24")])])


@pytest.fixture(scope="module")
def world(make_lab):
    description = w.description([*w.VMS, T3])
    description["vms"].append(describe_trunk(T1))
    made = w.World(make_lab(description), first_policy())
    made.ping_soon("a1", w.ca("a3"))
    made.ping_soon("a1", w.ca("a4"))
    return made


def status(world, vm):
    """Of a guest's port on its host."""
    (row,) = world.rows(vm.host, "Physical_Port", ["status"],
                        [["name", "==", p.braced(vm.port)]])
    return dict(row["status"][1])


def diagnostics(world, host="h1"):
    return sorted((r["table"], r["column"], r["code"]) for r in
                  world.rows(host, "Diagnostic", ["table", "column", "code"]))


@contextlib.contextmanager
def config(world, table, key, column, values):
    """For a while, a map column of one row on all hosts."""
    def put(pairs):
        for host in world.lab.hosts:
            world.transact(host, p.update(table, key, {
                column: ["map", sorted(map(list, pairs.items()))]}))

    before = REWRITE if column == "other_config" else {}
    put({**before, **values})
    try:
        yield
    finally:
        put(before)


# Provider addresses.


def test_guests_pas_are_no_tunnels(world):
    """Of the many in tunnel_ips, which no device has, none is chosen, nor
    complained of."""
    assert diagnostics(world) == []
    assert status(world, T1)["pa"] == w.PAS["h1"]
    assert "pa" not in status(world, w.BY_NAME["a1"])
    with uplink_tap(world.lab, "h1") as uplink, world.tap("t1") as t1:
        t1.send(echo(T1.mac, T3.mac, T1.cas[0], T3.cas[0], seq=11))
        outer = uplink.expect(is_tunnelled, "tunnelled packet", outgoing=True)
        assert (outer[IP].src, outer[IP].dst) == (w.PAS["h1"], w.PAS["h2"])


# Guards.


@pytest.fixture
def a1_may_spoof(world):
    key = p.row_uuid("port", w.BY_NAME["a1"].port)
    with config(world, "Physical_Port", key, "other_config",
                {"allow_spoof": "true"}):
        yield


def test_a_guest_sends_from_its_own_address_only(world):
    with Counted(world, "h1", "spoofed-ca"), world.tap("a1") as a1, \
            world.tap("a3") as a3:
        for seq, src in ((1, w.ca("a2")), (2, w.ca("a1"))):
            a1.send(echo(w.mac("a1"), w.mac("a3"), src, w.ca("a3"), seq))
        a3.expect(lambda x: is_echo(x, 2, src=w.ca("a1")), "own packet")


@pytest.mark.usefixtures("a1_may_spoof")
def test_there_is_no_pa_for_an_address_of_others(world):
    """Not even if the port may send from any."""
    with Counted(world, "h1", "spoofed-ca", 2), world.tap("a1") as a1, \
            world.tap("a3") as a3:
        for seq, src in ((1, w.ca("a2")), (2, "172.16.0.1"), (3, w.ca("a1"))):
            a1.send(echo(w.mac("a1"), w.mac("a3"), src, w.ca("a3"), seq))
        a3.expect(lambda x: is_echo(x, 3, src=w.ca("a1")), "own packet")


def test_what_no_pa_stands_for_is_counted(world):
    """No IP, or for nobody, or for somebody else than the MAC says."""
    to_a3 = Ether(src=w.mac("a1"), dst=w.mac("a3"))
    with Counted(world, "h1", "not-rewritable", 3), \
            uplink_tap(world.lab, "h1") as uplink, world.tap("a1") as a1, \
            world.tap("a3") as a3:
        a1.send(Ether(bytes(to_a3)[:12] + EXPERIMENT.to_bytes(2, "big")
                      + b"x" * 46),
                to_a3 / IP(src=w.ca("a1"), dst="10.1.1.99") / ICMP(),
                to_a3 / IP(src=w.ca("a1"), dst=w.ca("a2")) / ICMP(),
                echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"), 4))
        a3.expect(lambda x: is_echo(x, 4), "packet for its CA")
        left = uplink.until(lambda x: is_echo(x, 4, dst=PA["a3"]),
                            "that packet, rewritten", outgoing=True)
        assert not [x.summary() for x in left
                    if IP in x and x[IP].src == PA["a1"] and ICMP in x
                    and x[ICMP].type == 8 and not is_echo(x, 4)]


@pytest.mark.parametrize("reason, src, dst", [
    ("unknown-peer", "192.168.1.77", PA["a1"]),
    ("unknown-peer", w.PAS["h3"], PA["a1"]),
    ("unknown-peer", PA["x3"], PA["a1"]),
    ("claims-local", PA["a2"], PA["a1"])])
def test_from_the_underlay_only_neighbours_are_heard(world, reason, src, dst):
    """Nobody, another host, another tenant, a guest that is here."""
    lab = world.lab
    with Counted(world, "h1", reason), \
            Tap(lab.host("h3").namespace, "br-phy0") as h3, \
            world.tap("a1") as a1:
        to = lab_mac(lab, "h1", "br-phy0")
        for seq, sender in ((21, src), (22, PA["a4"])):
            h3.send(echo(lab_mac(lab, "h3", "br-phy0"), to, sender, dst, seq))
        before = a1.until(lambda x: is_echo(x, 22, src=w.ca("a4")),
                          "neighbour's packet")
        assert not [x for x in before if is_echo(x, 21)]


# MTU.


def mtu(world):
    return int(status(world, w.BY_NAME["a1"])["mtu"])


@contextlib.contextmanager
def small_uplink(world):
    with uplink_mtu(world, 1400):
        wait_for(lambda: mtu(world) == 1400, "smaller MTU")
        w.forget_cached(world.lab.host("h1"))
        yield
    wait_for(lambda: mtu(world) == UPLINK, "MTU as before")


def test_a_guest_has_the_uplinks_mtu(world):
    """Nothing is around its packets; but the trunk has tunnels, too."""
    assert mtu(world) == UPLINK
    assert int(status(world, T1)["mtu"]) == UPLINK - 50
    with small_uplink(world):
        wait_for(lambda: ("Physical_Port", "", "MtuTooSmall")
                 in diagnostics(world), "Diagnostic")
        wait_for(lambda: int(status(world, T1)["mtu"]) == 1350,
                 "the trunk's MTU")
    wait_for(lambda: not diagnostics(world), "Diagnostics' end")


def long_packet(to, ident, size, flags="DF"):
    same = w.BY_NAME[to].vsid == 5001
    head = (IP(src=w.ca("a1"), dst=w.ca(to), id=ident, flags=flags)
            / UDP(sport=ident, dport=9))
    return (Ether(src=w.mac("a1"), dst=w.mac(to) if same else w.ROUTER_MAC)
            / head / Raw(b"x" * (size - len(head))))


@pytest.mark.parametrize("to", ["a3", "b2"])
def test_a_packet_that_may_not_be_cut_is_answered(world, to):
    """What the gateway quotes has the addresses that the guest knows."""
    with small_uplink(world), world.tap("a1") as a1, world.tap(to) as sink:
        a1.send(long_packet(to, 31, 1400), long_packet(to, 32, 1401))
        error = a1.expect(is_frag_needed, "fragmentation needed")
        assert (error.src, error.dst) == (w.ROUTER_MAC, w.mac("a1"))
        assert (error[IP].src, error[IP].dst) == (w.GATEWAY_A, w.ca("a1"))
        assert error[ICMP].nexthopmtu == 1400
        assert (error[IPerror].src, error[IPerror].dst, error[IPerror].id) \
            == (w.ca("a1"), w.ca(to), 32)
        heard = sink.expect(lambda x: UDP in x and x[UDP].dport == 9, "packet")
        assert heard[IP].id == 31
        assert_checksums(heard)


@contextlib.contextmanager
def narrow_host(world):
    """The host's own device is as narrow as its uplink."""
    switch = world.lab.host("h1").switch

    def request(value):
        switch.vsctl(["set", "Interface", "br-phy0", f"mtu_request={value}"])
        wait_for(lambda: switch.vsctl(
            ["get", "Interface", "br-phy0", "mtu"]).strip() == str(value),
            f"MTU {value}")

    request(1400)
    try:
        yield
    finally:
        request(UPLINK)


def test_a_packet_that_may_be_cut_is(world):
    """By the host."""
    with small_uplink(world), narrow_host(world), world.tap("a1") as a1, \
            world.tap("a3") as a3:
        a1.send(long_packet("a3", 33, 1500, flags=""))
        first = a3.expect(lambda x: UDP in x and x[UDP].sport == 33,
                          "first fragment")
        assert first[IP].flags.MF and len(first[IP]) <= 1400
        a3.expect(lambda x: IP in x and x[IP].src == w.ca("a1")
                  and x[IP].frag and not x[IP].flags.MF, "last fragment")


def test_one_guests_mtu_is_no_matter_of_the_others(world):
    """The port into the host's stack takes whatever the uplink brings."""
    links = [(world.lab.host("h1").namespace, "v-a2"),
             (world.lab.guest("a2").namespace, "eth0")]
    try:
        for namespace, link in links:
            netns.ip(namespace, [f"link set {link} mtu 1000"])
        wait_for(lambda: world.lab.host("h1").switch.vsctl(
            ["get", "Interface", "v-a2", "mtu"]).strip() == "1000", "MTU")
        netns.run(netns.command(world.lab.guest("a3").namespace, [
            "ping", "-n", "-q", "-c2", "-i0.1", "-w10", "-Mdo", "-s1472",
            w.ca("a1")]))
        assert world.lab.host("h1").switch.vsctl(
            ["get", "Interface", "hnv-rewrite", "mtu"]).strip() == str(UPLINK)
    finally:
        for namespace, link in links:
            netns.ip(namespace, [f"link set {link} mtu 1500"])


# The router.


def test_the_last_hop_is_the_gateway(world):
    with Counted(world, "h1", "ttl"), world.tap("a1") as a1, \
            uplink_tap(world.lab, "h1") as uplink:
        a1.send(from_guest("a1", "b2", UDP(sport=41, dport=41) / b"x", ttl=1))
        error = a1.expect(lambda x: ICMP in x and x[ICMP].type == 11,
                          "time exceeded")
        assert (error.src, error[IP].src) == (w.ROUTER_MAC, w.GATEWAY_A)
        assert (error[IPerror].dst, error[UDPerror].sport) == (w.ca("b2"), 41)
        nothing_left(uplink)


def test_who_is_not_there_cannot_be_reached(world):
    with world.tap("a1") as a1:
        for dst, code in (("10.1.2.99", 1), ("172.16.0.1", 0)):
            a1.send(Ether(src=w.mac("a1"), dst=w.ROUTER_MAC)
                    / IP(src=w.ca("a1"), dst=dst) / UDP(sport=42, dport=42))
            error = a1.expect(lambda x: ICMP in x and x[ICMP].type == 3,
                              "unreachable")
            assert (error[ICMP].code, error[IPerror].dst) == (code, dst)


def test_a_route_may_drop(world):
    with config(world, "Logical_Router", p.row_uuid("router", "contoso"),
                "static_routes", {f"{w.ca('b2')}/32": "drop"}):
        assert diagnostics(world) == []
        with Counted(world, "h1", "by-route"), world.tap("a1") as a1, \
                world.tap("a3") as a3:
            a1.send(from_guest("a1", "b2", UDP(sport=43, dport=43) / b"x"),
                    from_guest("a1", "a3", UDP(sport=44, dport=44) / b"x"))
            a3.expect(lambda x: UDP in x and x[UDP].dport == 44, "another")
    world.ping("a1", w.ca("b2"))


# VLANs.


def test_a_guests_vlan(world):
    """In the wire's packet there is no tag; on the way back there is."""
    with world.tap("t1") as t1, world.tap("a3") as a3, \
            uplink_tap(world.lab, "h1") as uplink:
        t1.send(tagged(echo(T1.mac, w.mac("a3"), "10.1.1.31", w.ca("a3"), 51),
                       10))
        outer = uplink.expect(
            lambda x: is_echo(x, 51, src="192.168.1.151", dst=PA["a3"]),
            "rewritten packet", outgoing=True)
        assert not is_tunnelled(outer) and not tag_of(outer)
        heard = a3.expect(lambda x: is_echo(x, 51, src="10.1.1.31"), "echo")
        assert (heard.src, tag_of(heard)) == (T1.mac, 0)
        back = t1.expect(lambda x: is_echo(x, 51, kind=0), "answer")
        assert (tag_of(back), back[IP].dst) == (10, "10.1.1.31")


def test_tunnels_on_the_same_port(world):
    with world.tap("t1") as t1, world.tap("t3") as t3:
        t1.send(echo(T1.mac, T3.mac, T1.cas[0], T3.cas[0], seq=52))
        t3.expect(lambda x: is_echo(x, 52, src=T1.cas[0]), "echo")
        assert not tag_of(t1.expect(lambda x: is_echo(x, 52, kind=0),
                                    "answer"))


# What is not to be had.


@pytest.mark.parametrize("values", [
    {"learning": "true"}, {"replication": "per_vm"},
    {"replication": "multicast", "group_pa": "239.1.1.1"},
    {f"migrating:{w.ca('a3')}": w.PAS["h3"]}], ids=lambda v: min(v))
def test_what_takes_more_gets_a_diagnostic(world, values):
    with config(world, "Logical_Switch", p.switch_uuid(5001), "other_config",
                values):
        assert diagnostics(world) == [("Logical_Switch", "other_config",
                                       "OtherConfig")]
        with uplink_tap(world.lab, "h1") as uplink:
            world.ping("a1", w.ca("a3"))
            carried(uplink, "a1", "a3", ICMP, type=8)
    assert diagnostics(world) == []


@pytest.mark.parametrize("table, key", [
    ("Logical_Router", p.row_uuid("router", "contoso")),
    ("Logical_Switch", p.switch_uuid(5002))])
def test_a_guest_forwards_nothing(world, table, key):
    """The route is ignored; the gateway says so."""
    with config(world, table, key, "static_routes",
                {"172.16.0.0/16": w.ca("a3")}), world.tap("b1") as b1:
        assert diagnostics(world) == [(table, "static_routes", "BadRoute")]
        b1.send(Ether(src=w.mac("b1"), dst=w.ROUTER_MAC)
                / IP(src=w.ca("b1"), dst="172.16.5.9") / UDP())
        error = b1.expect(lambda x: ICMP in x and x[ICMP].type == 3,
                          "net unreachable")
        assert error[ICMP].code == 0
    assert diagnostics(world) == []


def test_a_ca_is_one_guests(world):
    """The first of load balanced mappings holds, the other is complained
    of."""
    old = world.policy
    shared = {"a3": "192.168.2.113", "a4": "192.168.1.114"}
    world.apply(old.replace(vms=[
        dataclasses.replace(v, cas=["10.1.1.50"], mapping_type="load_balanced")
        if v.name in shared else v for v in old.vms]))
    try:
        assert diagnostics(world) == [("Ucast_Macs_Remote", "ipaddr",
                                       "CaDuplicate")]
    finally:
        world.apply(old)
    deadline = time.monotonic() + 10
    while diagnostics(world):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    world.ping_soon("a1", w.ca("a3"))
