# SPDX-License-Identifier: Apache-2.0
"""A guest moves to another host and another provider subnet, with its address
and its connections.  See world.py for who is where; h2 is behind the router.

It is a2 that moves, from h1 to h2.  For how long it is dark, nobody can be
made to promise here: tests/bench/move.py measures that."""

import contextlib
import re
import socket
import subprocess
import threading
import time

import pytest
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

from hnvlab import netns

import world as w
from wire import (Outer, Tap, arp_request, echo, is_arp_reply, is_echo,
                  is_tunnelled, uplink_tap)

CA, MAC = w.ca("a2"), w.mac("a2")
CA6 = "2001:db8:1::12"
PORT = 7000
TWIN = "twin"
# On the old host, the new, a third; each also from the other subnet.
SENDERS = ["a1", "a3", "a4", "b1", "b2"]


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def both(request, make_lab):
    return w.World(make_lab(w.description()), w.policy(request.param))


@pytest.fixture
def world(both):
    """a2 is on h1."""
    lab, encap = both.lab, both.policy.encap
    if lab.guest("a2").vm.host != "h1":
        lab.move(lab.guest("a2"), lab.host("h1"))
    both.apply(w.policy(encap))
    both.ping_soon("a1", CA)
    both.ping_soon("a3", CA)
    return both


class Stream:
    """A TCP connection with a record every 5 ms, all of which arrive, in
    order."""

    def __init__(self, world, source, to):
        with netns.entered(world.lab.guest(to).namespace):
            listener = socket.create_server((w.ca(to), PORT))
        with listener, netns.entered(world.lab.guest(source).namespace):
            self.out = socket.create_connection((w.ca(to), PORT), 10)
            self.into, _ = listener.accept()
        self.name = f"{source} to {to}"
        self.ending, self.n = threading.Event(), 0
        self.thread = threading.Thread(target=self._send)
        self.into.settimeout(20)
        self.thread.start()

    def __enter__(self):
        self.receive(20)
        return self

    def __exit__(self, *exc):
        self.ending.set()
        self.thread.join()
        self.out.close()
        self.into.close()

    def receive(self, n):
        """Waits for as many records that come later than now."""
        n += self.n
        start = time.monotonic()
        while self.n < n or time.monotonic() < start + 0.1:
            record = self.into.recv(4, socket.MSG_WAITALL)
            assert int.from_bytes(record, "big") == self.n, self.name
            self.n += 1

    def _send(self):
        number = 0
        with contextlib.suppress(OSError):
            while not self.ending.wait(0.005):
                self.out.sendall(number.to_bytes(4, "big"))
                number += 1


class Pings:
    """20 pings a second."""

    def __init__(self, world, source, to):
        self.name = f"{source} to {to}"
        self.process = subprocess.Popen(netns.command(
            world.lab.guest(source).namespace,
            ["ping", "-n", "-q", "-i0.05", w.ca(to)]), text=True,
            stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.communicate()

    def lost(self):
        self.process.send_signal(2)
        text, _ = self.process.communicate(timeout=20)
        sent, received = re.search(
            r"(\d+) packets transmitted, (\d+) received", text).groups()
        assert int(sent) > 10, self.name
        # The last one's answer may still have been on its way.
        return max(int(sent) - int(received) - 1, 0)


def move(world, migrating=False):
    """The controller announces the move, a2 moves, the controller says so."""
    lab = world.lab
    before = world.policy
    world.apply(before.moving("a2", "h2", migrating), forget=False)
    lab.move(lab.guest("a2"), lab.host("h2"))
    world.apply(before.moved("a2", "h2"), forget=False)


@pytest.mark.parametrize("migrating", [False, True])
def test_connections_go_along(world, migrating):
    """Into the guest, from both hosts and a third, from both subnets, and out
    of it.  What others have between them does not notice; but where that
    goes through a tunnel, Open vSwitch itself may lose a packet while it reads
    all routes anew, as a userspace switch does when a link comes or goes."""
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Stream(world, s, "a2"))
                   for s in ("a1", "a3", "a4", "b2")]
        streams += [stack.enter_context(Stream(world, "a2", to))
                    for to in ("b1", "a3")]
        streams += [stack.enter_context(Stream(world, "x1", "x3"))]
        local, remote = ([stack.enter_context(Pings(world, *pair))
                          for pair in pairs] for pairs in (
            [("a1", "b1"), ("b2", "a3")], [("a1", "a4"), ("a4", "a3")]))
        move(world, migrating)
        for stream in streams:
            stream.receive(50)
        assert [p.lost() for p in local] == [0, 0]
        assert max(p.lost() for p in remote) <= 1


def test_the_old_host_keeps_nothing_of_a_guest_that_left(world):
    """The flows are those of a host that never had it."""
    encap = world.policy.encap
    assert admits_a2(world, "h1") and not admits_a2(world, "h2")
    move(world)
    assert admits_a2(world, "h2") and not admits_a2(world, "h1")
    after = shared_flows(world)
    world.apply(w.policy(encap, vms=[], networks=[]))
    world.apply(w.policy(encap).moved("a2", "h2"))
    assert shared_flows(world) == after
    assert not [r for r in world.rows("h1", "Physical_Port", ["name"])
                if w.BY_NAME["a2"].port in r["name"]]


def test_a_move_there_and_back_leaves_no_trace(world):
    start = shared_flows(world)
    move(world, True)
    world.ping_soon("a3", CA)
    world.lab.move(world.lab.guest("a2"), world.lab.host("h1"))
    world.apply(w.policy(world.policy.encap))
    world.ping_soon("a3", CA)
    assert shared_flows(world) == start


def admits_a2(world, host):
    return [f for f in world.flows(host) if f"dl_src={MAC}" in f]


def shared_flows(world):
    """Per host, the flows that are not about a single port, which may have
    another number when it comes back."""
    return {h: [f for f in world.flows(h)
                if not re.search(r"in_port=|->reg6|reg6=|meter_id=", f)]
            for h in world.lab.hosts}


# Both hosts at a time.

@contextlib.contextmanager
def twin(world):
    """A port on h2 that is a2's: to see what goes there before a2 does."""
    host, vm = world.lab.host("h2"), w.BY_NAME["a2"]
    host.switch.vsctl(
        ["add-port", "br-int", TWIN],
        ["set", "Interface", TWIN, "type=internal",
         f'external_ids:iface-id="{vm.port}"',
         f'external_ids:attached-mac="{vm.mac}"'])
    try:
        netns.ip(host.namespace, [f"link set {TWIN} arp off up"])
        with world.client("h2") as client:
            client.transact("ms_vtep", {
                "op": "wait", "table": "Physical_Port", "timeout": 10000,
                "where": [["name", "==", "{" + vm.port + "}"],
                          ["status", "includes",
                           ["map", [["state", "active"]]]]],
                "columns": ["name"], "until": "==",
                "rows": [{"name": "{" + vm.port + "}"}]})
        world.transact("h2")
        settle(world)
        with Tap(host.namespace, TWIN) as tap:
            yield tap
    finally:
        host.switch.vsctl(["del-port", "br-int", TWIN])


def settle(world):
    """Until the hosts have got over an interface that came."""
    world.ping_soon("a1", w.ca("a3"))
    world.ping_soon("b1", w.ca("b2"))
    world.ping_soon("a4", w.ca("a3"))
    world.ping_soon("a4", w.ca("a1"))


def packets(sender):
    """An echo request to a2, and a fence behind it."""
    to = MAC if sender[0] == "a" else w.ROUTER_MAC
    return [echo(w.mac(sender), to, w.ca(sender), CA, seq=n, ident=99)
            for n in (1, 2)]


def arrivals(tap, sender):
    """How many of the first packet came, by the time the second did."""
    def mine(packet, seq):
        return (is_echo(packet, seq=seq, src=w.ca(sender), dst=CA)
                and packet.dst == MAC)
    before = tap.until(lambda p: mine(p, 2), f"packet of {sender}")
    return len([p for p in before if mine(p, 1)])


@pytest.mark.parametrize("sender", SENDERS)
def test_while_it_migrates_both_hosts_get_its_packets_once(world, sender):
    world.apply(world.policy.moving("a2", "h2", migrating=True))
    with twin(world) as there, world.tap("a2") as here, \
            world.tap(sender) as source:
        source.send(*packets(sender))
        assert (arrivals(here, sender), arrivals(there, sender)) == (1, 1)


@pytest.mark.parametrize("sender", SENDERS)
def test_what_both_mapping_and_migration_name_goes_there_once(world, sender):
    """The mapping is the new host's already; its copies have not ended."""
    world.apply(world.policy.moving("a2", "h2", migrating=True))
    with mapped_to_h2(world), twin(world) as there, \
            world.tap("a2") as here, world.tap(sender) as source:
        source.send(*packets(sender))
        assert arrivals(there, sender) == 1
        assert not [p for p in seen_on_h1(world, here, source, sender)
                    if is_echo(p, src=w.ca(sender), dst=CA)]


@contextlib.contextmanager
def mapped_to_h2(world):
    def map_to(place):
        for host in world.lab.hosts:
            (row,) = world.rows(host, "Physical_Locator", ["_uuid"],
                                [["dst_ip", "==", w.PAS[place]]])
            world.transact(host, {
                "op": "update", "table": "Ucast_Macs_Remote",
                "where": [["ipaddr", "==", CA], ["MAC", "==", MAC]],
                "row": {"locator": row["_uuid"]}})
    map_to("h2")
    try:
        yield
    finally:
        map_to("h1")


def seen_on_h1(world, here, source, sender):
    """All that came to a2 on h1 so far: what 'sender' sends to another guest
    there has come by then."""
    to = "b1" if sender == "a1" else "a1"
    with world.tap(to) as other:
        source.send(echo(w.mac(sender), w.mac(to) if sender[0] == to[0]
                         else w.ROUTER_MAC, w.ca(sender), w.ca(to), seq=3))
        other.expect(lambda p: is_echo(p, seq=3, src=w.ca(sender)), "fence")
    here.send_beside(echo(MAC, w.ROUTER_MAC, CA, w.ca("b1"), seq=4))
    return here.until(lambda p: is_echo(p, seq=4, src=CA), "fence",
                      outgoing=True)


def tunnelled_to_a2(tap, sender):
    """Where the first packet went, in which tunnels."""
    def mine(packet, seq):
        return is_tunnelled(packet) and is_echo(
            Outer(packet).inner, seq=seq, src=w.ca(sender), dst=CA)
    seen = []
    for _ in range(2):
        seen += tap.until(lambda p: mine(p, 2), f"packet of {sender}",
                          outgoing=True)
    return sorted((Outer(p).dst, Outer(p).kind) for p in seen if mine(p, 1))


def test_a_copy_takes_the_tunnel_that_the_mapping_takes(world):
    """Between hosts that are neither, in the subnet's own VSID."""
    kind = {"vxlan": "vxlan", "nvgre": "gre"}[world.policy.encap]
    world.apply(world.policy.moving("a2", "h2", migrating=True))
    settle(world)
    with uplink_tap(world.lab, "h3") as uplink, world.tap("a4") as source:
        source.send(*packets("a4"))
        assert tunnelled_to_a2(uplink, "a4") == [
            (w.PAS["h1"], kind), (w.PAS["h2"], kind)]


def test_a_copy_from_the_mappings_host_takes_the_locators_tunnel(world):
    encap = {"vxlan": "nvgre", "nvgre": "vxlan"}[world.policy.encap]
    kind = {"vxlan": "vxlan", "nvgre": "gre"}[encap]
    before = world.policy
    world.apply(before.replace(encap_of={"h2": encap}).moving(
        "a2", "h2", migrating=True))
    settle(world)
    with uplink_tap(world.lab, "h1") as uplink, world.tap("b1") as source:
        source.send(*packets("b1"))
        outer = Outer(uplink.expect(is_tunnelled, "copy", outgoing=True))
        assert (outer.dst, outer.kind) == (w.PAS["h2"], kind)
        assert (outer.vni if kind == "vxlan" else outer.vsid) == 5001
    world.apply(before)


def test_what_comes_from_a_tunnel_is_not_sent_on(world):
    world.apply(world.policy.moving("a2", "h2", migrating=True))
    settle(world)
    with uplink_tap(world.lab, "h1") as uplink, world.tap("a2") as here, \
            world.tap("a4") as source:
        source.send(*packets("a4"))
        assert arrivals(here, "a4") == 1
        fence = echo(w.mac("a2"), w.mac("a4"), CA, w.ca("a4"), seq=8)
        here.send(fence)
        seen = uplink.until(
            lambda p: is_tunnelled(p) and is_echo(Outer(p).inner, seq=8),
            "fence", outgoing=True)
        # a2's own answers leave; nothing that is for it does.
        assert not [p for p in seen if is_tunnelled(p)
                    and Outer(p).src == w.PAS["h1"]
                    and is_echo(Outer(p).inner, dst=CA)]


def test_a_mac_that_nobody_has_makes_no_copy(world):
    world.apply(world.policy.moving("a2", "h2", migrating=True))
    settle(world)
    with uplink_tap(world.lab, "h3") as uplink, world.tap("a4") as source:
        source.send(echo(w.mac("a4"), "00:15:5d:00:09:09", w.ca("a4"), CA),
                    *packets("a4"))
        first = Outer(uplink.expect(is_tunnelled, "fence", outgoing=True))
        assert first.inner.dst == MAC


def test_arp_is_answered_as_ever(world):
    world.apply(world.policy.moving("a2", "h2", migrating=True))
    with world.tap("a4") as tap, uplink_tap(world.lab, "h3") as uplink:
        for dst in ("ff:ff:ff:ff:ff:ff", MAC):
            tap.send(arp_request(w.mac("a4"), w.ca("a4"), CA, dst))
            reply = tap.expect(lambda p: is_arp_reply(p, CA), "ARP answer")
            assert reply.hwsrc == MAC
        tap.send(*packets("a4"))
        seen = uplink.until(is_tunnelled, "fence", outgoing=True)
        assert not [p for p in seen if is_tunnelled(p)]


def test_an_ipv6_address_migrates_too(world):
    """Its key has colons in it."""
    for host in world.lab.hosts:
        world.transact(host, bind_ipv6(world, host, "insert"), {
            "op": "mutate", "table": "Logical_Switch",
            "where": [["tunnel_key", "==", 5001]], "mutations": [
                ["other_config", "insert",
                 ["map", [[f"migrating:{CA6}", w.PAS["h2"]]]]]]})
    try:
        with twin_port_row(world), twin(world) as there, \
                world.tap("a2") as here, world.tap("a4") as source:
            source.send(Ether(src=w.mac("a4"), dst=MAC)
                        / IPv6(src="fe80::14", dst=CA6)
                        / ICMPv6EchoRequest(id=5))
            for tap in (here, there):
                tap.expect(lambda p: ICMPv6EchoRequest in p, "echo request")
    finally:
        for host in world.lab.hosts:
            world.transact(host, bind_ipv6(world, host, "delete"), {
                "op": "update", "table": "Logical_Switch",
                "where": [["tunnel_key", "==", 5001]],
                "row": {"other_config": ["map", []]}})


def bind_ipv6(world, host, mutator):
    (row,) = world.rows(host, "Logical_Switch", ["_uuid"],
                        [["tunnel_key", "==", 5001]])
    return {"op": "mutate", "table": "Logical_Router",
            "where": [["description", "==", "contoso"]],
            "mutations": [["switch_binding", mutator,
                           ["map", [["2001:db8:1::/64", row["_uuid"]]]]]]}


@contextlib.contextmanager
def twin_port_row(world):
    """h2 knows a2's port, and no IPv4 address migrates."""
    before = world.policy
    world.apply(before.moving("a2", "h2"))
    yield
    world.apply(before)


def test_a_bad_migration_is_said_and_the_others_hold(world):
    pairs = [[f"migrating:{CA}", w.PAS["h2"]],
             ["migrating:10.1.1", w.PAS["h2"]],
             ["migrating:10.1.2.11", w.PAS["h2"]],
             ["migrating:10.1.1.13", "h3"]]
    change = {"op": "update", "table": "Logical_Switch",
              "where": [["tunnel_key", "==", 5001]]}
    world.transact("h3", {**change, "row": {"other_config": ["map", pairs]}})
    (row,) = world.rows("h3", "Diagnostic", ["code", "column", "text"])
    assert (row["code"], row["column"]) == ("OtherConfig", "other_config")
    for word in ('migrating:10.1.1="', "migrating:10.1.2.11",
                 'migrating:10.1.1.13="h3"'):
        assert word in row["text"]
    assert CA not in row["text"]
    with uplink_tap(world.lab, "h3") as uplink, world.tap("a4") as source:
        source.send(*packets("a4"))
        assert len(tunnelled_to_a2(uplink, "a4")) == 2
    world.transact("h3", {**change, "row": {"other_config": ["map", []]}})
    assert not world.rows("h3", "Diagnostic", ["code"])
