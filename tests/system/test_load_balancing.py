# SPDX-License-Identifier: Apache-2.0
"""A customer address that several guests have: load_balanced mappings.

    h1   a1 (client)  s1        b1 (client, in another subnet)
    h2   s2
    h3   s3

s1, s2 and s3 share 10.1.1.50 and hear of each connection to it; answers are
made here."""

import contextlib
import time

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from hnvlab.policy import (Network, Policy, Subnet, delete, insert,
                           locator_uuid, mapping_row, row_uuid, switch_uuid)

import world as w
from wire import TIMEOUT, arp_request, is_arp_reply

SHARED = "10.1.1.50"
SERVERS = {"s1": "h1", "s2": "h2", "s3": "h3"}
VMS = [v for v in w.VMS if v.name in ("a1", "b1")] + [
    w.vm(name, host, 5001, f"10.1.1.6{i}", f"00:15:5d:00:50:0{i}")
    for i, (name, host) in enumerate(SERVERS.items(), 1)]
BY_NAME = {v.name: v for v in VMS}
CONNECTIONS = range(20000, 20060)


class Balanced:
    """A lab, with no owner of the shared address yet."""

    def __init__(self, lab, encap):
        self.lab = lab
        networks = [Network("contoso", [Subnet(5001, "10.1.1.0/24"),
                                        Subnet(5002, "10.1.2.254/24")])]
        self.world = w.World(lab, Policy(
            hosts=w.PAS, networks=networks, encap=encap, vms=VMS,
            router_mac=w.ROUTER_MAC))

    def _row(self, server, kind):
        policy = self.world.policy
        key = row_uuid("shared", server)
        row = mapping_row(BY_NAME[server].mac, SHARED, switch_uuid(5001),
                          locator_uuid(w.PAS[SERVERS[server]], policy.encap),
                          kind)
        return insert("Ucast_Macs_Remote", row, key)

    def share(self, *servers, kind="load_balanced"):
        """These become owners, too."""
        for host in self.lab.hosts:
            self.world.transact(host, *[self._row(s, kind) for s in servers])

    def unshare(self, *servers):
        for host in self.lab.hosts:
            self.world.transact(host, *[
                delete("Ucast_Macs_Remote", row_uuid("shared", s))
                for s in servers])

    @contextlib.contextmanager
    def owners(self, *servers):
        self.share(*servers)
        try:
            yield
        finally:
            self.unshare(*SERVERS)

    def mac(self):
        """Of the shared address, as a client gets to know it."""
        with self.world.tap("a1") as a1:
            a1.send(arp_request(w.mac("a1"), w.ca("a1"), SHARED))
            return a1.expect(lambda p: is_arp_reply(p, SHARED),
                             "ARP answer").hwsrc

    def receivers(self, packets, client="a1"):
        """{packet's id: server that gets it}; each of them is one server's."""
        got = {}

        def receive(server, arrived):
            for p in arrived:
                if IP in p and p[IP].dst == SHARED:
                    assert p.dst == BY_NAME[server].mac
                    assert p[IP].id not in got, "two got one packet"
                    got[p[IP].id] = server

        with contextlib.ExitStack() as stack:
            taps = {s: stack.enter_context(self.world.tap(s))
                    for s in SERVERS}
            sender = stack.enter_context(self.world.tap(client))
            for ident, packet in packets.items():
                packet[IP].id = ident
                sender.send(packet)
            deadline = time.monotonic() + TIMEOUT
            while set(got) != set(packets) and time.monotonic() < deadline:
                for server, tap in taps.items():
                    receive(server, tap.packets(timeout=0.02))
            for server, tap in taps.items():
                fence = self._fence(sender, client, server)
                receive(server, tap.until(fence, "fence"))
        assert set(got) == set(packets)
        return got

    def _fence(self, sender, client, server):
        vm = BY_NAME[client]
        to = BY_NAME[server].mac if vm.vsid == 5001 else w.ROUTER_MAC
        sender.send(Ether(src=vm.mac, dst=to)
                    / IP(src=vm.cas[0], dst=BY_NAME[server].cas[0])
                    / UDP(sport=9, dport=9))
        return lambda p: UDP in p and p[UDP].dport == 9

    def connections(self, client="a1", kind=TCP):
        """{port: server} of connections of a client to the address."""
        vm = BY_NAME[client]
        to = self.mac() if vm.vsid == 5001 else w.ROUTER_MAC
        return self.receivers({
            port: (Ether(src=vm.mac, dst=to) / IP(src=vm.cas[0], dst=SHARED)
                   / kind(sport=port, dport=80)) for port in CONNECTIONS},
            client)


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def balanced(request, make_lab):
    return Balanced(make_lab(w.description(VMS)), request.param)


@pytest.mark.parametrize("client", ["a1", "b1"])
@pytest.mark.parametrize("kind", [TCP, UDP])
def test_connections_are_shared(balanced, client, kind):
    """Within the subnet and through the router, all get a good part."""
    with balanced.owners(*SERVERS):
        servers = list(balanced.connections(client, kind).values())
        for server in SERVERS:
            assert servers.count(server) > len(CONNECTIONS) / 10
        assert balanced.world.rows("h1", "Diagnostic", ["text"]) == []


def test_a_connection_stays_while_others_come_and_go(balanced):
    with balanced.owners("s1", "s2"):
        before = balanced.connections()
        assert balanced.connections() == before

        balanced.share("s3")
        with_s3 = balanced.connections()
        moved = {c for c in CONNECTIONS if with_s3[c] != before[c]}
        assert moved and all(with_s3[c] == "s3" for c in moved)

        balanced.unshare("s1")
        after = balanced.connections()
        assert all(after[c] == with_s3[c] for c in CONNECTIONS
                   if with_s3[c] != "s1")

        balanced.share("s1")
        assert balanced.connections() == with_s3
        balanced.unshare("s3")
        assert balanced.connections() == before


def test_a_connection_is_where_its_host_says_on_every_host(balanced):
    """The router's way and the subnet's own lead to the same owner, so what
    decides is the connection alone."""
    with balanced.owners(*SERVERS):
        vm = BY_NAME["a1"]
        through = balanced.receivers({
            port: (Ether(src=vm.mac, dst=w.ROUTER_MAC)
                   / IP(src=vm.cas[0], dst=SHARED)
                   / TCP(sport=port, dport=80)) for port in CONNECTIONS})
        assert through == balanced.connections()


def test_the_address_has_a_mac_of_its_own(balanced):
    """Which does not change with the owners: clients cache it."""
    with balanced.owners("s2"):
        mac = balanced.mac()
        assert mac not in [vm.mac for vm in VMS]
        balanced.share("s1")
        assert balanced.mac() == mac
        balanced.unshare("s2")
        assert balanced.mac() == mac


def test_an_owner_does_not_hear_that_its_address_is_taken(balanced):
    """Not when it probes (RFC 5227), not when it announces itself."""
    with balanced.owners(*SERVERS):
        server = BY_NAME["s1"]
        with balanced.world.tap("s1") as s1:
            for spa in ("0.0.0.0", SHARED):
                s1.send(arp_request(server.mac, spa, SHARED))
            s1.send(arp_request(server.mac, server.cas[0], w.ca("a1")))
            before = s1.until(lambda p: is_arp_reply(p, w.ca("a1")), "fence")
            assert not any(is_arp_reply(p, SHARED) for p in before)


def test_fragments_of_one_packet_meet(balanced):
    with balanced.owners(*SERVERS):
        vm, mac = BY_NAME["a1"], balanced.mac()
        for port in list(CONNECTIONS)[:6]:
            head = Ether(src=vm.mac, dst=mac)
            first = (head / IP(src=vm.cas[0], dst=SHARED, flags="MF", proto=17)
                     / UDP(sport=port, dport=80, len=8 + 64 + 32)
                     / Raw(b"x" * 64))
            last = (head / IP(src=vm.cas[0], dst=SHARED, frag=9, proto=17)
                    / Raw(b"y" * 32))
            got = balanced.receivers({1: first, 2: last})
            assert got[1] == got[2]


def test_an_address_that_is_not_to_be_shared_is_a_conflict(balanced):
    """Of a balanced mapping and another one, the first holds."""
    with balanced.owners("s2", "s3"):
        balanced.share("s1", kind="default")
        (row,) = balanced.world.rows("h1", "Diagnostic", ["code", "table"])
        assert row == {"code": "CaDuplicate", "table": "Ucast_Macs_Remote"}
        assert set(balanced.connections().values()) == {"s2", "s3"}
    assert balanced.world.rows("h1", "Diagnostic", ["code"]) == []


def test_all_goes_with_the_last_owner(balanced):
    before = balanced.world.flows_and_entries("h1")
    with balanced.owners(*SERVERS):
        assert (len(balanced.world.flows_and_entries("h1"))
                > len(before) + 100)
    assert balanced.world.flows_and_entries("h1") == before
    with balanced.world.tap("a1") as a1:
        a1.send(arp_request(w.mac("a1"), w.ca("a1"), SHARED),
                arp_request(w.mac("a1"), w.ca("a1"), BY_NAME["s1"].cas[0]))
        fence = a1.until(lambda p: is_arp_reply(p, BY_NAME["s1"].cas[0]),
                         "fence")
        assert not any(is_arp_reply(p, SHARED) for p in fence)
