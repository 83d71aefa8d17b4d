# SPDX-License-Identifier: Apache-2.0
"""A changed, moved or deleted row takes effect at once and leaves nothing
behind; cur_cfg and port status say what the switch has."""

import dataclasses

import pytest
from scapy.layers.inet import IP

from hnvlab import deliver
from hnvlab.policy import Network, Subnet

import world as w
from wire import (BROADCAST, Outer, arp_request, echo, is_arp_reply,
                  is_echo, is_tunnelled, uplink_tap)

OTHER_ROUTER_MAC = "02:00:5e:00:00:aa"


@pytest.fixture
def world(make_lab):
    """A lab of its own for each test: they leave policies behind."""
    return w.World(make_lab(w.description()), w.policy())


def outer_sent(world, source, to, host="h1"):
    """The tunnel packet that an echo from 'source' leaves its host in."""
    with world.tap(source) as tap, uplink_tap(world.lab, host) as uplink:
        tap.send(echo(w.mac(source), w.mac(to), w.ca(source), w.ca(to),
                      seq=11))
        return Outer(uplink.expect(is_tunnelled, "tunnelled packet",
                                   outgoing=True))


def is_silent_about(world, guest, target):
    """No ARP answer for 'target'; a2's is the fence."""
    with world.tap(guest) as tap:
        tap.send(arp_request(w.mac(guest), w.ca(guest), target),
                 arp_request(w.mac(guest), w.ca(guest), w.ca("a2")))
        before = tap.until(lambda p: is_arp_reply(p, w.ca("a2")), "fence")
        return not [p for p in before if is_arp_reply(p, target)]


def test_a_policy_taken_back_leaves_nothing_behind(make_lab):
    world = w.World(make_lab(w.description()))
    empty = w.policy(vms=[], networks=[])
    world.apply(empty)
    before = {h: world.flows(h) for h in world.lab.hosts}
    world.apply(w.policy())
    world.ping("a1", w.ca("a3"))
    assert all(world.flows(h) != before[h] for h in world.lab.hosts)
    world.apply(empty)
    assert {h: world.flows(h) for h in world.lab.hosts} == before


def test_any_way_to_a_policy_ends_with_the_same_flows(world):
    """Through NVGRE, a moved guest, one network less, and back."""
    start = {h: world.flows(h) for h in world.lab.hosts}
    for step in (w.policy("nvgre"), w.policy("nvgre").moved("a2", "h3"),
                 w.policy(vms=w.VMS[:4], networks=w.policy().networks[:1]),
                 w.policy().without("a4"), w.policy()):
        world.apply(step)
    assert {h: world.flows(h) for h in world.lab.hosts} == start


def test_a_locator_decides_the_encapsulation_of_its_mappings(world):
    world.apply(w.policy(encap_of={"h2": "nvgre"}))
    assert outer_sent(world, "a1", "a3").kind == "gre"
    assert outer_sent(world, "a1", "a4").kind == "vxlan"
    world.ping("a1", w.ca("a3"))
    world.apply(w.policy(encap_of={"h3": "nvgre"}))
    assert outer_sent(world, "a1", "a3").kind == "vxlan"
    assert outer_sent(world, "a1", "a4").kind == "gre"


def test_a_moved_mapping_takes_the_next_packet_along(world):
    assert outer_sent(world, "a1", "a3").dst == w.PAS["h2"]
    world.apply(w.policy().moved("a3", "h3"))
    assert outer_sent(world, "a1", "a3").dst == w.PAS["h3"]
    assert outer_sent(world, "a2", "a3").dst == w.PAS["h3"]


def test_a_guest_moves_with_its_address(world):
    world.ping_soon("a1", w.ca("a3"))
    lab = world.lab
    lab.move(lab.guest("a3"), lab.host("h3"))
    world.apply(w.policy().moved("a3", "h3"))
    world.ping_soon("a1", w.ca("a3"))
    world.ping_soon("a4", w.ca("a3"))
    world.ping_soon("a3", w.ca("b2"))


def test_a_deleted_mapping_is_unknown_at_once(world):
    assert not is_silent_about(world, "a1", w.ca("a3"))
    world.apply(w.policy().without("a3"))
    assert is_silent_about(world, "a1", w.ca("a3"))
    with world.tap("a1") as tap, uplink_tap(world.lab, "h1") as uplink:
        tap.send(echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                      seq=21),
                 echo(w.mac("a1"), w.mac("a4"), w.ca("a1"), w.ca("a4"),
                      seq=22))
        first = Outer(uplink.expect(is_tunnelled, "fence", outgoing=True))
        assert is_echo(first.inner, seq=22)


def test_a_deleted_mapping_of_a_local_guest_is_unknown_as_well(world):
    """Its port is still there."""
    world.transact("h1", {"op": "delete", "table": "Ucast_Macs_Remote",
                          "where": [["MAC", "==", w.mac("a2")]]})
    with world.tap("a1") as tap, world.tap("a2") as other:
        tap.send(arp_request(w.mac("a1"), w.ca("a1"), w.ca("a2")),
                 arp_request(w.mac("a1"), w.ca("a1"), w.ca("a4")))
        before = tap.until(lambda p: is_arp_reply(p, w.ca("a4")), "fence")
        assert not [p for p in before if is_arp_reply(p)]

        tap.send(echo(w.mac("a1"), w.mac("a2"), w.ca("a1"), w.ca("a2"),
                      seq=23),
                 echo(w.mac("a1"), BROADCAST, w.ca("a1"), "10.1.1.255",
                      seq=24))
        before = other.until(lambda p: is_echo(p, seq=24), "fence")
        assert not [p for p in before if is_echo(p, seq=23)]


def test_a_changed_address_takes_the_place_of_the_old(world):
    a3 = dataclasses.replace(w.BY_NAME["a3"], cas=["10.1.1.200"])
    world.apply(w.policy(vms=[a3 if v.name == "a3" else v for v in w.VMS]))
    assert is_silent_about(world, "a1", w.ca("a3"))
    assert not is_silent_about(world, "a1", "10.1.1.200")


def test_a_changed_mac_is_the_one_that_is_answered(world):
    new_mac = "00:15:5d:00:01:ff"
    a3 = dataclasses.replace(w.BY_NAME["a3"], mac=new_mac)
    world.apply(w.policy(vms=[a3 if v.name == "a3" else v for v in w.VMS]))
    with world.tap("a1") as tap:
        tap.send(arp_request(w.mac("a1"), w.ca("a1"), w.ca("a3")))
        reply = tap.expect(lambda p: is_arp_reply(p, w.ca("a3")), "answer")
        assert reply.hwsrc == new_mac


def test_a_changed_vsid_is_on_the_wire_and_the_old_one_nowhere(world):
    def with_vsid(vsid):
        networks = [Network("contoso", [Subnet(vsid, "10.1.1.0/24"),
                                        Subnet(5002, "10.1.2.254/24")]),
                    w.policy().networks[1]]
        return w.policy(networks=networks, vms=[
            dataclasses.replace(v, vsid=vsid) if v.vsid == 5001 else v
            for v in w.VMS])

    world.apply(with_vsid(7001))
    assert outer_sent(world, "a1", "a3").vni == 7001
    world.ping("a1", w.ca("a3"))
    world.ping("b1", w.ca("a3"))
    for host in world.lab.hosts:
        assert not [f for f in world.flows(host) if "0x1389" in f]


def test_tunnel_key_of_a_subnet_changes_in_place(world):
    """The row stays, its VSID changes: all of its mappings go along."""
    for host in world.lab.hosts:
        world.transact(host, {
            "op": "update", "table": "Logical_Switch",
            "where": [["tunnel_key", "==", 5001]], "row": {"tunnel_key": 7002}
        })
    assert outer_sent(world, "a1", "a3").vni == 7002
    world.ping("a1", w.ca("a3"))
    world.ping("b2", w.ca("a1"))
    assert not [f for f in world.flows("h1") if "0x1389" in f]


def test_two_subnets_swap_their_vsids(world):
    """In one transaction: neither is ever a duplicate of the other."""
    for host in world.lab.hosts:
        key = {r["tunnel_key"]: r["_uuid"] for r in world.rows(
            host, "Logical_Switch", ["_uuid", "tunnel_key"])}
        world.transact(host, *[
            {"op": "update", "table": "Logical_Switch",
             "where": [["_uuid", "==", key[old]]], "row": {"tunnel_key": new}}
            for old, new in ((5001, 6001), (6001, 5001))])
        assert not world.rows(host, "Diagnostic", ["code"])
    assert outer_sent(world, "a1", "a3").vni == 6001
    assert outer_sent(world, "x1", "x3").vni == 5001
    world.ping("a1", w.ca("b2"))
    world.ping("x1", w.ca("x3"))


def test_a_subnet_goes_to_another_network(world):
    """Contoso's second subnet becomes Fabrikam's: who reaches it changes, and
    none of its mappings does."""
    for host in world.lab.hosts:
        (key,) = [r["_uuid"] for r in world.rows(
            host, "Logical_Switch", ["_uuid"], [["tunnel_key", "==", 5002]])]
        world.transact(host, *[
            {"op": "mutate", "table": "Logical_Router",
             "where": [["description", "==", router]],
             "mutations": [["switch_binding", *mutation]]}
            for router, mutation in (
                ("contoso", ["delete", ["set", ["10.1.2.254/24"]]]),
                ("fabrikam", ["insert", ["map", [["10.1.2.254/24", key]]]]))])
        assert not world.rows(host, "Diagnostic", ["code"])
    world.ping("x1", w.ca("b2"))
    world.ping("b1", w.ca("x3"))
    with world.tap("a1") as a1, world.tap("x1") as x1, world.tap("b1") as b1:
        a1.send(echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), w.ca("b1"),
                     seq=51))
        x1.send(echo(w.mac("x1"), w.ROUTER_MAC, w.ca("x1"), w.ca("b1"),
                     seq=52))
        before = b1.until(lambda p: is_echo(p, seq=52), "fence")
        assert not [p for p in before if is_echo(p, seq=51)]


def test_rows_may_come_in_any_order(make_lab):
    """Rules of the firewall before mappings before ports before networks
    before this host's addresses."""
    world = w.World(make_lab(w.description()))
    for host in world.lab.hosts:
        (_, *operations), (_, *rules) = w.policy().full(host)
        world.transact(host, *rules, db="ms_firewall")
        parts = [[], [], [], []]
        for operation in operations:
            table, op = operation["table"], operation["op"]
            parts[3 if (table, op) == ("Physical_Switch", "update")
                  else 2 if table == "Logical_Router"
                  else 1 if table in ("Physical_Port", "Physical_Switch")
                  else 0].append(operation)
        for part in parts:
            world.transact(host, *part)
        assert not world.rows(host, "Diagnostic", ["code"])
    world.ping("a1", w.ca("a3"))
    world.ping("a1", w.ca("b2"))
    world.ping("x1", w.ca("x3"))


def test_a_switched_off_router_keeps_its_subnets(world):
    off = [dataclasses.replace(n, routed=False) for n in w.policy().networks]
    world.apply(w.policy(networks=off))
    world.ping("a1", w.ca("a3"))
    world.ping("a1", w.GATEWAY_A)
    with world.tap("a1") as a1, world.tap("b1") as b1, \
            world.tap("a2") as a2:
        a1.send(echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), w.ca("b1"),
                     seq=31),
                echo(w.mac("a1"), w.mac("a2"), w.ca("a1"), w.ca("a2"),
                     seq=32))
        a2.expect(lambda p: is_echo(p, seq=32), "fence")
        world.apply(w.policy())
        a1.send(echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), w.ca("b1"),
                     seq=33))
        before = b1.until(lambda p: is_echo(p, seq=33), "packet when routed")
        assert not [p for p in before if is_echo(p, seq=31)]


def test_a_switched_off_router_is_the_other_subnets_no_gateway(world):
    off = [dataclasses.replace(n, routed=False) for n in w.policy().networks]
    world.apply(w.policy(networks=off))
    world.ping("b1", w.GATEWAY_B)
    with world.tap("a1") as a1:
        a1.send(*(echo(w.mac("a1"), w.ROUTER_MAC, w.ca("a1"), to, seq=35)
                  for to in (w.GATEWAY_B, w.GATEWAY_A)))
        before = a1.until(lambda p: is_echo(p, src=w.GATEWAY_A, kind=0),
                          "own gateway's answer")
        assert not [p for p in before if is_echo(p, kind=0)]


def test_without_a_router_mac_the_gateway_has_one_of_its_own(world):
    world.transact("h1", {"op": "update", "table": "Physical_Switch",
                          "where": [], "row": {"distributed_router_mac": ""}})
    mac = world.gateway_mac("a1", w.GATEWAY_A)
    assert mac != w.ROUTER_MAC and int(mac[:2], 16) & 3 == 2
    (row,) = world.rows("h1", "Physical_Switch", ["distributed_router_mac"])
    assert row["distributed_router_mac"] == ""


def test_a_changed_router_mac_is_the_one_that_answers(world):
    assert world.gateway_mac("a1", w.GATEWAY_A) == w.ROUTER_MAC
    world.transact("h1", {
        "op": "update", "table": "Physical_Switch", "where": [],
        "row": {"distributed_router_mac": "02-00-5E-00-00-AA"}})
    assert world.gateway_mac("a1", w.GATEWAY_A) == OTHER_ROUTER_MAC


def test_unknown_dst_says_where_broadcasts_go(world):
    """With h3 out of the set, one copy leaves, to h2."""
    world.apply(w.policy().without("a4"))
    with world.tap("a1") as a1, uplink_tap(world.lab, "h1") as uplink:
        a1.send(echo(w.mac("a1"), "ff:ff:ff:ff:ff:ff", w.ca("a1"),
                     "10.1.1.255", seq=41),
                echo(w.mac("a1"), w.mac("a3"), w.ca("a1"), w.ca("a3"),
                     seq=42))
        copies = uplink.until(
            lambda p: is_tunnelled(p) and is_echo(Outer(p).inner, seq=42),
            "fence", outgoing=True)
        copies = [p for p in copies if is_tunnelled(p)
                  and is_echo(Outer(p).inner, seq=41)]
        assert [p[IP].dst for p in copies] == [w.PAS["h2"]]


def test_one_mac_with_several_addresses_is_one_guest(world):
    a3 = dataclasses.replace(w.BY_NAME["a3"],
                             cas=[w.ca("a3"), "10.1.1.77", "10.1.1.78"])
    both = w.policy(vms=[a3 if v.name == "a3" else v for v in w.VMS])
    world.apply(both)
    with world.tap("a1") as tap:
        for address in a3.cas:
            tap.send(arp_request(w.mac("a1"), w.ca("a1"), address))
            reply = tap.expect(lambda p, a=address: is_arp_reply(p, a),
                               "ARP answer")
            assert reply.hwsrc == w.mac("a3")
    world.apply(w.policy())
    assert is_silent_about(world, "a1", "10.1.1.77")
    world.ping("a1", w.ca("a3"))


def status_of(world, guest):
    rows = world.rows(w.BY_NAME[guest].host, "Physical_Port",
                      ["name", "status"])
    name = "{" + w.BY_NAME[guest].port + "}"
    return dict(next(r["status"][1] for r in rows if r["name"] == name))


def wait_for_status(world, guest, state):
    """Follows the row until its state is 'state'."""
    with world.client(w.BY_NAME[guest].host) as client:
        client.transact("ms_vtep", {
            "op": "wait", "table": "Physical_Port", "timeout": 10000,
            "where": [["name", "==", "{" + w.BY_NAME[guest].port + "}"],
                      ["status", "includes", ["map", [["state", state]]]]],
            "columns": ["name"], "until": "==",
            "rows": [{"name": "{" + w.BY_NAME[guest].port + "}"}]})


def test_port_status_says_who_is_there(world):
    assert status_of(world, "a1") == {
        "vm_nic_port_id": "v-a1", "vm_nic_vm_name": "a1",
        "vm_nic_macaddress": w.mac("a1"), "pa": w.PAS["h1"],
        "mtu": "1550", "state": "active"}
    guest = world.lab.guest("a1")
    world.lab.unplug(guest)
    wait_for_status(world, "a1", "absent")
    assert "vm_nic_port_id" not in status_of(world, "a1")
    world.lab.plug(guest)
    wait_for_status(world, "a1", "active")
    world.ping_soon("a1", w.ca("a3"))


def test_a_port_that_leaves_takes_its_flows_along(world):
    guest = world.lab.guest("a1")
    before = world.flows("h1")
    world.lab.unplug(guest)
    wait_for_status(world, "a1", "absent")
    world.transact("h1")
    gone = set(before) - set(world.flows("h1"))
    assert gone and not [f for f in world.flows("h1")
                         if "dl_src=" + w.mac("a1") in f
                         and "0x1389" in f]
    world.ping_soon("a2", w.ca("a3"))


def cfg(world, host):
    row = world.rows(host, "Global", ["next_cfg", "cur_cfg"])[0]
    return row["next_cfg"], row["cur_cfg"]


def test_cur_cfg_waits_for_the_switch(world):
    """While the switch stands still, cur_cfg stays; once it goes on, cur_cfg
    follows, and then the flows are there."""
    switch = world.lab.host("h1").switch.vswitchd
    next_cfg, cur_cfg = cfg(world, "h1")
    assert next_cfg == cur_cfg
    mapping = {"op": "update", "table": "Ucast_Macs_Remote",
               "where": [["ipaddr", "==", w.ca("a4")],
                         ["MAC", "==", w.mac("a4")]],
               "row": {"ipaddr": "10.1.1.88"}}
    with w.paused(switch), world.client("h1") as client:
        client.transact("ms_vtep", mapping, {
            "op": "mutate", "table": "Global", "where": [],
            "mutations": [["next_cfg", "+=", 1]]})
        # The agent has seen it: a wait for another answer is served, and
        # cur_cfg has not moved.
        with pytest.raises(deliver.LabError, match="cur_cfg is"):
            deliver.deliver(world.lab.host("h1").remote, [["ms_vtep"]],
                            timeout=0.5)
        assert cfg(world, "h1")[1] == cur_cfg
    deliver.deliver(world.lab.host("h1").remote, [["ms_vtep"]])
    assert cfg(world, "h1")[0] == cfg(world, "h1")[1] == next_cfg + 3
    assert [f for f in world.flows_and_entries("h1")
            if "0xa010158" in f or "ca=10.1.1.88" in f]


@pytest.mark.parametrize("db, table", [
    ("ms_firewall", "FW_Global"), ("ms_service_insertion", "SI_Global"),
    ("ms_darv", "Global")])
def test_every_database_acknowledges(world, db, table):
    with world.client("h1") as client:
        for _ in range(3):
            world.transact("h1", db=db)
        rows = client.transact(db, {"op": "select", "table": table,
                                    "where": []})[0]["rows"]
        assert len(rows) == 1
        assert rows[0]["next_cfg"] == rows[0]["cur_cfg"] >= 3
