# SPDX-License-Identifier: Apache-2.0
"""A host with two provider addresses, each with an uplink of its own.

    h1 PA .10 on uplink0, PA .11 on uplink1   a1 a2 b1 and g1 to g6
    h2 PA .20, behind the underlay's router   a3 b2

The guests of h1 are spread over its addresses, so that each address has
some.  Which uplink a packet takes is the host's routes' affair: here, all
take uplink1, whatever their source is, so that uplink0 can fail."""

import contextlib
import json
import re
import time

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from hnvlab import netns
from hnvlab.policy import (Network, Policy, Subnet, locator_row, row_uuid,
                           switch_uuid, update)

import world as w
from learning import wait_for
from wire import (BROADCAST, TIMEOUT, Outer, echo, is_echo, is_tunnelled,
                  uplink_tap)

EXPERIMENT = 0x88b5             # Of no protocol (IEEE 802).
NETWORKS = {4: ("192.168.1", "192.168.2", ".", 24),
            6: ("2001:db8:1", "2001:db8:2", "::", 64)}
VMS = [v for v in w.VMS if v.name in ("a1", "a2", "a3", "b1", "b2")] + [
    w.vm(f"g{i}", "h1", 5001, f"10.1.1.{100 + i}", f"00:15:5d:00:09:0{i}")
    for i in range(1, 7)]
BY_NAME = {v.name: v for v in VMS}
SENDERS = [v.name for v in VMS if v.host == "h1"]


def provider_addresses(family):
    near, far, dots, _ = NETWORKS[family]
    return {"h1": [f"{near}{dots}10", f"{near}{dots}11"],
            "h2": [f"{far}{dots}20"]}


def description(family):
    near, far, dots, length = NETWORKS[family]
    ends = (("0", "1") if family == 4 else ("", "1"))
    return {
        "underlay": [{"subnet": f"{net}{dots}{ends[0]}/{length}",
                      "gateway": f"{net}{dots}{ends[1]}"}
                     for net in (near, far)],
        "hosts": [{"name": h, "pa": pas}
                  for h, pas in provider_addresses(family).items()],
        "vms": w.description(VMS)["vms"],
    }


class Pas:
    """The lab, and what its tests ask."""

    def __init__(self, lab, family, encap):
        self.lab, self.family = lab, family
        self.pas = provider_addresses(family)
        networks = [Network("contoso", [Subnet(5001, "10.1.1.0/24"),
                                        Subnet(5002, "10.1.2.254/24")])]
        self.world = w.World(lab, Policy(
            hosts=self.pas, networks=networks, encap=encap, vms=VMS,
            router_mac=w.ROUTER_MAC))
        self.tell_of(self.pas["h1"][1])
        self.route_through(1)

    def tell_of(self, pa):
        """The mappings name only the first address of a host.  h2 would take
        the other for a stranger's."""
        self.world.transact(
            "h2", {"op": "insert", "table": "Physical_Locator",
                   "uuid-name": "other",
                   "row": {"dst_ip": pa, "encapsulation_type":
                           f"{self.world.policy.encap}_over_ipv"
                           f"{self.family}"}},
            {"op": "insert", "table": "Ucast_Macs_Remote",
             "row": {"MAC": "00:15:5d:99:99:99", "ipaddr": "",
                     "logical_switch": ["uuid", switch_uuid(5001)],
                     "locator": ["named-uuid", "other"],
                     "mapping_type": "default"}})

    def route_through(self, uplink):
        """What a routing daemon, or the administrator, would do."""
        near, far, dots, length = NETWORKS[self.family]
        base = f"{far}{dots}{'0' if self.family == 4 else ''}/{length}"
        self.ip("h1", f"route replace {base} via {near}{dots}1 "
                f"dev br-phy{uplink}")

    def ip(self, host, *commands):
        netns.ip(self.lab.host(host).namespace, commands,
                 [f"-{self.family}"])

    def uplink(self, host="h1", number=1):
        return uplink_tap(self.lab, host, number)

    def status(self, guest):
        port = BY_NAME[guest].port
        (row,) = [r for r in self.world.rows("h1", "Physical_Port",
                                             ["name", "status"])
                  if port in r["name"]]
        return dict(row["status"][1])

    def pa_of(self, guest):
        return self.status(guest)["pa"]

    def diagnostics(self):
        return [(r["code"], r["text"]) for r in self.world.rows(
            "h1", "Diagnostic", ["code", "text"])]

    def configure(self, guest, **config):
        """Replaces the other_config of a guest's port."""
        self.world.transact("h1", update(
            "Physical_Port", row_uuid("port", BY_NAME[guest].port),
            {"other_config": ["map", [[k, v] for k, v in config.items()]]}))

    def sent(self, guest, seq=1, timeout=TIMEOUT):
        """Lets a guest send a packet to the other host, and returns the
        outside of what is on the wire."""
        vm = BY_NAME[guest]
        to = w.mac("a3") if vm.vsid == 5001 else w.ROUTER_MAC
        with self.uplink() as uplink, self.world.tap(guest) as tap:
            tap.send(echo(vm.mac, to, vm.cas[0], w.ca("a3"), seq=seq))
            return Outer(uplink.expect(
                lambda p: is_tunnelled(p)
                and is_echo(Outer(p).inner, seq, vm.cas[0]),
                "tunnelled packet", timeout, outgoing=True))

    def source_of(self, guest, *how):
        """The source of what a guest sends to the other host.  Over IPv6 it
        is what the flows say: Open vSwitch 3.1's userspace datapath takes the
        address that the route gives, whatever the flows say."""
        if self.family == 4:
            return self.sent(guest, *how).src
        vm = BY_NAME[guest]
        to = w.mac("a3") if vm.vsid == 5001 else w.ROUTER_MAC
        trace = self.lab.host("h1").switch.appctl(
            "ofproto/trace", "br-int",
            f"in_port=v-{guest},dl_src={vm.mac},dl_dst={to},icmp,"
            f"nw_src={vm.cas[0]},nw_dst={w.ca('a3')},nw_ttl=64")
        return re.search("set_field:(.*)->tun_ipv6_src", trace).group(1)

    def wait_for_source(self, guest, pa):
        """Returns how many seconds it takes until a guest's packets come from
        'pa'.  Some may be lost meanwhile."""
        begin = time.monotonic()
        for seq in range(1, 100):
            with contextlib.suppress(AssertionError):
                if self.source_of(guest, seq, 0.1) == pa:
                    return time.monotonic() - begin
        raise AssertionError(f"{guest} does not send from {pa}")


@pytest.fixture(scope="module", params=[
    ("vxlan", 4), ("nvgre", 4), ("vxlan", 6), ("nvgre", 6)],
    ids=lambda p: f"{p[0]}-ipv{p[1]}")
def pas(request, make_lab):
    encap, family = request.param
    return Pas(make_lab(description(family)), family, encap)


def link_state(pas, number):
    (link,) = json.loads(netns.run(netns.command(
        pas.lab.host("h1").namespace,
        ["ip", "-j", "link", "show", f"uplink{number}"])))
    return link["operstate"]


@contextlib.contextmanager
def uplink_down(pas, number):
    """The cable of an uplink of h1 is cut.  Linux tells of lost carriers at
    most once a second, so the clock starts when it has."""
    namespace = pas.lab.underlay.namespace
    netns.ip(namespace, [f"link set h0u{number} down"])
    try:
        while link_state(pas, number) == "UP":
            time.sleep(0.01)
        yield
    finally:
        netns.ip(namespace, [f"link set h0u{number} up"])


def guests_by_pa(pas):
    """{provider address: guests of h1 that have it}, as their ports say."""
    result = {}
    for guest in SENDERS:
        result.setdefault(pas.pa_of(guest), []).append(guest)
    return result


def test_each_guest_has_one_of_the_hosts_addresses(pas):
    groups = guests_by_pa(pas)
    assert sorted(groups) == pas.pas["h1"]
    for pa, guests in groups.items():
        for guest in guests:
            assert pas.source_of(guest) == pa


def test_broadcasts_and_routed_packets_come_from_the_guests_own(pas):
    for guests in guests_by_pa(pas).values():
        guest = guests[0]
        frame = Ether(src=BY_NAME[guest].mac, dst=BROADCAST,
                      type=EXPERIMENT) / (b"x" * 50)
        with pas.uplink() as uplink, pas.world.tap(guest) as tap:
            tap.send(frame)
            outer = Outer(uplink.expect(
                lambda p: is_tunnelled(p)
                and Outer(p).inner.type == EXPERIMENT, "broadcast",
                outgoing=True))
        if pas.family == 4:
            assert outer.src == pas.pa_of(guest)
    assert pas.sent("b1").inner[IP].ttl == 63
    assert pas.source_of("b1") == pas.pa_of("b1")


def test_packets_from_any_address_arrive(pas):
    for guest in SENDERS:
        pas.world.ping_soon(guest, w.ca("a3"))


def test_a_port_can_be_pinned_to_an_address(pas):
    by_hash = pas.pa_of("a1")
    (other,) = set(pas.pas["h1"]) - {by_hash}
    pas.configure("a1", pa=other)
    assert pas.pa_of("a1") == pas.source_of("a1") == other
    pas.configure("a1")
    assert pas.pa_of("a1") == pas.source_of("a1") == by_hash


@pytest.mark.parametrize("value", ["192.0.2.99", "nonsense", "TWICE"])
def test_a_pin_that_is_no_address_of_the_host_is_told_of(pas, value):
    by_hash = pas.pa_of("a1")
    pas.configure("a1", pa=value.replace("TWICE", ",".join(pas.pas["h1"])))
    ((code, text),) = pas.diagnostics()
    assert code == "OtherConfig" and "other_config:pa " in text
    assert pas.source_of("a1") == by_hash
    pas.configure("a1")
    assert pas.diagnostics() == []


def test_other_guests_keep_their_address(pas):
    """An address that goes moves the guests that had it, and no others."""
    before = guests_by_pa(pas)
    stays, goes = pas.pas["h1"]
    pas.world.transact("h1", {
        "op": "update", "table": "Physical_Switch", "where": [],
        "row": {"tunnel_ips": ["set", [stays]]}})
    assert guests_by_pa(pas) == {stays: SENDERS}
    pas.world.transact("h1", {
        "op": "update", "table": "Physical_Switch", "where": [],
        "row": {"tunnel_ips": ["set", [stays, goes]]}})
    assert guests_by_pa(pas) == before


def test_an_address_whose_uplink_is_down_is_replaced_within_a_second(pas):
    fails, other = pas.pas["h1"]
    groups = guests_by_pa(pas)
    guest = groups[fails][0]
    assert pas.source_of(guest) == fails
    with uplink_down(pas, 0):
        assert pas.wait_for_source(guest, other) < 1.0
        assert guests_by_pa(pas) == {other: SENDERS}
        ((code, text),) = pas.diagnostics()
        assert code == "PAAddressConfigurationFailure"
        assert f"{fails} is on br-phy0, whose uplink is down" in text
    assert pas.wait_for_source(guest, fails) < 1.0
    assert guests_by_pa(pas) == groups
    assert pas.diagnostics() == []


def test_a_pinned_address_is_replaced_too(pas):
    fails, other = pas.pas["h1"]
    pas.configure("a2", pa=fails)
    with uplink_down(pas, 0):
        assert pas.wait_for_source("a2", other) < 1.0
    assert pas.wait_for_source("a2", fails) < 1.0
    pas.configure("a2")


def test_an_address_that_the_host_loses_is_replaced_within_a_second(pas):
    fails, other = pas.pas["h1"]
    groups = guests_by_pa(pas)
    length = NETWORKS[pas.family][3]
    guest = groups[fails][0]
    pas.ip("h1", f"addr del {fails}/{length} dev br-phy0")
    assert pas.wait_for_source(guest, other) < 1.0
    ((code, text),) = pas.diagnostics()
    assert code == "PAAddressConfigurationFailure"
    assert f"No interface of this host has PA {fails}" in text
    pas.ip("h1", f"addr add {fails}/{length} dev br-phy0")
    pas.route_through(1)
    assert pas.wait_for_source(guest, fails) < 1.0
    assert guests_by_pa(pas) == groups
    assert pas.diagnostics() == []


def set_copies(pas, host, addresses):
    """Has a host send copies of 5001's broadcasts to these."""
    with pas.world.client(host) as client:
        rows = client.transact("ms_vtep", {
            "op": "select", "table": "Physical_Locator", "where": [],
            "columns": ["_uuid", "dst_ip"]})[0]["rows"]
    known = {row["dst_ip"]: row["_uuid"] for row in rows}
    operations, members = [], []
    for i, pa in enumerate(addresses):
        if pa not in known:
            operations.append({
                "op": "insert", "table": "Physical_Locator",
                "uuid-name": f"pa{i}",
                "row": locator_row(pa, pas.world.policy.encap)})
        members.append(known.get(pa, ["named-uuid", f"pa{i}"]))
    pas.world.transact(
        host, *operations,
        {"op": "insert", "table": "Physical_Locator_Set", "uuid-name": "all",
         "row": {"locators": ["set", members]}},
        update("Mcast_Macs_Remote", row_uuid("flood", 5001),
               {"locator_set": ["named-uuid", "all"]}))


@pytest.fixture
def copies_to_all(pas):
    """Broadcasts go to both addresses of h1, as they would if the mappings of
    its guests named both."""
    first = [pas.pas[h][0] for h in ("h1", "h2")]
    for host in ("h1", "h2"):
        set_copies(pas, host, [*first, pas.pas["h1"][1]])
    yield pas
    for host in ("h1", "h2"):
        set_copies(pas, host, first)


def second_copies(pas):
    """How many h1 has dropped."""
    w.forget_cached(pas.lab.host("h1"))
    text = pas.world.on_host("h1", "ovs-appctl", "-t", "hnv-agent",
                             "hnv/drops")
    return int(re.search(r"second-copy\s+(\d+)", text).group(1))


def broadcast_from_a3(pas, seq, both_arrive=True):
    """Every guest of its subnet on h1 hears it once; a copy goes to each
    address of h1."""
    def frame(last):
        return Ether(src=w.mac("a3"), dst=BROADCAST,
                     type=EXPERIMENT) / (b"x" * 49 + last)

    def is_copy(packet, last=bytes([seq])):
        return packet.type == EXPERIMENT and bytes(packet)[-1:] == last

    with contextlib.ExitStack() as stack:
        taps = {g: stack.enter_context(pas.world.tap(g)) for g in SENDERS
                if BY_NAME[g].vsid == 5001}
        uplink = stack.enter_context(pas.uplink("h2", 0))
        a3 = stack.enter_context(pas.world.tap("a3"))
        dropped = second_copies(pas)
        a3.send(frame(bytes([seq])))
        copies = [uplink.expect(
            lambda p: is_tunnelled(p) and is_copy(Outer(p).inner),
            "tunnelled copy", outgoing=True) for _ in range(2)]
        assert {Outer(p).dst for p in copies} == set(pas.pas["h1"])
        for tap in taps.values():
            tap.expect(is_copy, "copy")
        if both_arrive:
            wait_for(lambda: second_copies(pas) == dropped + 1, "second copy")
        a3.send(frame(b"f"))
        for guest, tap in taps.items():
            heard = tap.until(lambda p: is_copy(p, b"f"), "fence")
            assert not [p.summary() for p in heard if is_copy(p)], guest


def test_a_broadcast_to_each_address_is_heard_once(copies_to_all):
    broadcast_from_a3(copies_to_all, 1)


def test_a_broadcast_is_heard_if_an_uplink_is_down(copies_to_all):
    """Whichever of the copies it is that does not arrive."""
    pas = copies_to_all
    for number, fails in enumerate(pas.pas["h1"]):
        (other,) = set(pas.pas["h1"]) - {fails}
        guest = guests_by_pa(pas)[fails][0]
        with uplink_down(pas, number):
            wait_for(lambda: pas.pa_of(guest) == other, "other address")
            w.forget_cached(pas.lab.host("h1"))
            broadcast_from_a3(pas, 2 + number, both_arrive=False)
        wait_for(lambda: pas.pa_of(guest) == fails, "address as before")
    pas.route_through(1)
