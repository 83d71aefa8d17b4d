# SPDX-License-Identifier: Apache-2.0
"""Policy that makes no sense: that object alone is set aside, the reason can
be read, everything else works, and fixing the row clears it.

Each case breaks one thing on host h1 and then puts it right.  While it is
broken, guests that have nothing to do with it ping each other."""

import contextlib
import re

import pytest

from hnvlab import deliver, ovsdb

import world as w
from wire import arp_request, is_arp_reply

HOST = "h1"


@pytest.fixture(scope="module")
def world(make_lab):
    return w.World(make_lab(w.description()), w.policy())


def diagnostics(world):
    rows = world.rows(HOST, "Diagnostic",
                      ["table", "row", "column", "code", "text"])
    return sorted((r["code"], r["table"], r["column"], r["row"][1], r["text"])
                  for r in rows)


def log_of(world):
    with open(world.lab.host(HOST).agent.logfile, encoding="utf-8") as f:
        return f.read()


def only_diagnostic(world, code, table, column, *words):
    """Exactly one, of this kind, whose text has all of 'words', and which the
    log has once.  Returns the UUID of the row that it names."""
    (found,) = diagnostics(world)
    assert found[:3] == (code, table, column)
    for word in words:
        assert word in found[4], found[4]
    assert found[4].endswith(".")
    assert log_of(world).count(f"{found[3]} {column}: {found[4]}") == 1
    return found[3]


def the_rest_works(world, ping=None):
    ping = ping or world.ping
    ping("a2", w.ca("a3"))
    ping("a2", w.GATEWAY_A)
    ping("x1", w.ca("x3"))


def is_known(world, ca, asker="a2"):
    """Whether the switch answers an ARP request for 'ca'; one for a3, which
    is always known, is the fence."""
    with world.tap(asker) as tap:
        tap.send(arp_request(w.mac(asker), w.ca(asker), ca),
                 arp_request(w.mac(asker), w.ca(asker), w.ca("a3")))
        before = tap.until(lambda p: is_arp_reply(p, w.ca("a3")), "fence")
        return any(is_arp_reply(p, ca) for p in before)


def send(world, *operations):
    world.transact(HOST, *operations)


def update(table, where, **row):
    return {"op": "update", "table": table,
            "where": [[k, "==", v] for k, v in where.items()], "row": row}


def mapping(ca, mac="00:15:5d:00:0b:ad", like="10.1.1.14"):
    """Operations that insert a mapping of subnet 5001 next to 'like', whose
    references it shares: named rows are not needed."""
    return lambda world: [{
        "op": "insert", "table": "Ucast_Macs_Remote", "row": {
            **reference(world, like), "MAC": mac, "ipaddr": ca,
            "mapping_type": "default"}}]


def reference(world, ca):
    (row,) = [r for r in world.rows(
        HOST, "Ucast_Macs_Remote", ["logical_switch", "locator", "MAC"],
        [["ipaddr", "==", ca]]) if r["MAC"] != w.mac("x1")]
    return {k: row[k] for k in ("logical_switch", "locator")}


def delete(table, **where):
    return {"op": "delete", "table": table,
            "where": [[k, "==", v] for k, v in where.items()]}


@contextlib.contextmanager
def clean(world):
    """No diagnostic before, none after, and the same flows."""
    assert not diagnostics(world)
    flows = world.flows(HOST)
    yield
    assert not diagnostics(world)
    assert world.flows(HOST) == flows


def switch_named(world, vsid):
    (row,) = world.rows(HOST, "Logical_Switch", ["_uuid"],
                        [["tunnel_key", "==", vsid]])
    return row["_uuid"]


@pytest.mark.parametrize("vsid", [0, 4095, 2**24 - 1, 2**32, -5])
def test_a_vsid_out_of_range(world, vsid):
    with clean(world):
        row = switch_named(world, 5002)
        send(world, update("Logical_Switch", {"_uuid": row}, tunnel_key=vsid))
        codes = {d[0]: d for d in diagnostics(world)}
        found = codes.pop("VsidOutOfRange")
        assert found[1:4] == ("Logical_Switch", "tunnel_key", row[1])
        assert str(vsid) in found[4]
        # b1's port is in that subnet, and says that it cannot be.
        assert set(codes) == {"PortSubnetUnusable"}
        the_rest_works(world)
        send(world, update("Logical_Switch", {"_uuid": row}, tunnel_key=5002))
        world.ping("a2", w.ca("b1"))


def test_a_vsid_used_twice(world):
    with clean(world):
        send(world, {"op": "insert", "table": "Logical_Switch",
                     "uuid-name": "ls",
                     "row": {"name": "twice", "tunnel_key": 5001}},
             {"op": "insert", "table": "Logical_Router",
              "row": {"name": "twice", "enable_logical_router": True,
                      "switch_binding": ["map", [
                          ["10.9.0.0/24", ["named-uuid", "ls"]]]]}})
        only_diagnostic(world, "VsidDuplicate", "Logical_Switch",
                        "tunnel_key", "5001")
        the_rest_works(world)
        world.ping("a1", w.ca("a4"))
        send(world, update("Logical_Switch", {"name": "twice"},
                           tunnel_key=5999))
        assert not diagnostics(world)
        assert [f for f in world.flows(HOST) if "10.9.0.1" in f]
        send(world, delete("Logical_Router", name="twice"),
             delete("Logical_Switch", name="twice"))


@pytest.mark.parametrize("ca, good, code, column", [
    ("10.77.0.9", "10.1.1.99", "CaOutsideSubnet", "ipaddr"),
    ("10.1.2.99", "10.1.1.99", "CaOutsideSubnet", "ipaddr"),
    ("10.1.1.1", "10.1.1.99", "CaIsGateway", "ipaddr"),
    ("10.1.1.0", "10.1.1.99", "CaReserved", "ipaddr"),
    ("10.1.1.255", "10.1.1.99", "CaReserved", "ipaddr"),
    ("10.1.1.300", "10.1.1.99", "BadAddress", "ipaddr"),
    ("web", "10.1.1.99", "BadAddress", "ipaddr")])
def test_a_ca_that_cannot_be(world, ca, good, code, column):
    with clean(world):
        send(world, *mapping(ca)(world))
        only_diagnostic(world, code, "Ucast_Macs_Remote", column, ca)
        the_rest_works(world)
        if code == "CaIsGateway":
            assert world.gateway_mac("a1", ca) == w.ROUTER_MAC
        send(world, update("Ucast_Macs_Remote", {"ipaddr": ca}, ipaddr=good))
        assert not diagnostics(world)
        assert is_known(world, good)
        send(world, delete("Ucast_Macs_Remote", ipaddr=good))
        assert not is_known(world, good)


@pytest.mark.parametrize("mac", ["", "00:15:5d:00:0b", "zz:15:5d:00:0b:ad",
                                 "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"])
def test_a_mac_that_does_not_parse(world, mac):
    with clean(world):
        send(world, *mapping("10.1.1.99", mac)(world))
        only_diagnostic(world, "BadMac", "Ucast_Macs_Remote", "MAC",
                        f'"{mac}"')
        the_rest_works(world)
        assert not is_known(world, "10.1.1.99")
        send(world, update("Ucast_Macs_Remote", {"ipaddr": "10.1.1.99"},
                           MAC="00-15-5D-00-0B-AD"))
        assert not diagnostics(world)
        assert is_known(world, "10.1.1.99")
        send(world, delete("Ucast_Macs_Remote", ipaddr="10.1.1.99"))


def test_two_mappings_for_one_ca(world):
    """The one that was there first stays; if it goes, the other serves."""
    with clean(world):
        send(world, *mapping("10.1.1.99", "00:15:5d:00:0b:01")(world))
        send(world, *mapping("10.1.1.99", "00:15:5d:00:0b:02")(world))
        only_diagnostic(world, "CaDuplicate", "Ucast_Macs_Remote", "ipaddr",
                        "10.1.1.99", "00:15:5d:00:0b:01")
        the_rest_works(world)
        with world.tap("a2") as tap:
            ask = arp_request(w.mac("a2"), w.ca("a2"), "10.1.1.99")
            tap.send(ask)
            assert tap.expect(is_arp_reply, "answer").hwsrc.endswith("b:01")
            send(world, delete("Ucast_Macs_Remote", MAC="00:15:5d:00:0b:01"))
            assert not diagnostics(world)
            tap.send(ask)
            assert tap.expect(is_arp_reply, "answer").hwsrc.endswith("b:02")
        send(world, delete("Ucast_Macs_Remote", MAC="00:15:5d:00:0b:02"))


def bind(world, prefix, vsid, router="contoso"):
    return {"op": "mutate", "table": "Logical_Router",
            "where": [["description", "==", router]],
            "mutations": [["switch_binding", "insert", ["map", [
                [prefix, switch_named(world, vsid)]]]]]}


def unbind(prefix, router="contoso"):
    return {"op": "mutate", "table": "Logical_Router",
            "where": [["description", "==", router]],
            "mutations": [["switch_binding", "delete", ["set", [prefix]]]]}


@pytest.mark.parametrize("prefix", ["10.1.1.128/25", "10.1.0.0/16",
                                    "10.1.1.7/24"])
def test_overlapping_prefixes_in_one_network(world, prefix):
    with clean(world):
        send(world, bind(world, prefix, 5002))
        only_diagnostic(world, "PrefixOverlap", "Logical_Router",
                        "switch_binding", prefix)
        the_rest_works(world)
        world.ping("a1", w.ca("b1"))
        send(world, unbind(prefix))


@pytest.mark.parametrize("prefix", ["10.3.0.0", "10.3.0.0/33", "nonsense",
                                    "10.3.0.1/32", "0.0.0.0/0"])
def test_a_prefix_that_cannot_be_used(world, prefix):
    with clean(world):
        send(world, bind(world, prefix, 5002))
        only_diagnostic(world, "BadPrefix", "Logical_Router",
                        "switch_binding", prefix)
        the_rest_works(world)
        world.ping("a1", w.ca("b1"))
        send(world, unbind(prefix))


def test_a_subnet_in_two_networks(world):
    with clean(world):
        send(world, bind(world, "10.5.0.0/24", 5002, "fabrikam"))
        only_diagnostic(world, "SubnetInTwoNetworks", "Logical_Router",
                        "switch_binding", "10.5.0.0/24", "belongs to")
        the_rest_works(world)
        world.ping("a1", w.ca("b1"))
        send(world, unbind("10.5.0.0/24", "fabrikam"))


@pytest.mark.parametrize("dst, encap, code, column", [
    ("192.168.9.9", "vxlan_over_ipv6", "EncapsulationMismatch",
     "encapsulation_type"),
    ("192.168.9.9", "nvgre_over_ipv6", "EncapsulationMismatch",
     "encapsulation_type"),
    ("2001:db8::9", "vxlan_over_ipv4", "EncapsulationMismatch",
     "encapsulation_type"),
    ("host9", "vxlan_over_ipv4", "BadAddress", "dst_ip")])
def test_a_locator_that_cannot_be(world, dst, encap, code, column):
    with clean(world):
        before = reference(world, w.ca("a4"))["locator"]
        send(world, {"op": "insert", "table": "Physical_Locator",
                     "uuid-name": "l", "row": {
                         "dst_ip": dst, "encapsulation_type": encap}},
             update("Ucast_Macs_Remote", {"ipaddr": w.ca("a4")},
                    locator=["named-uuid", "l"]))
        only_diagnostic(world, code, "Physical_Locator", column, dst)
        the_rest_works(world)
        assert not is_known(world, w.ca("a4"))
        send(world, update("Ucast_Macs_Remote", {"ipaddr": w.ca("a4")},
                           locator=before))
        world.ping("a1", w.ca("a4"))


def test_a_port_whose_subnet_is_in_no_network(world):
    with clean(world):
        name = "{" + w.BY_NAME["b1"].port + "}"
        send(world, unbind("10.1.2.254/24"))
        row = only_diagnostic(world, "PortSubnetUnusable", "Physical_Port",
                              "vlan_bindings")
        (port,) = world.rows(HOST, "Physical_Port", ["_uuid", "status"],
                             [["name", "==", name]])
        assert port["_uuid"][1] == row
        status = dict(port["status"][1])
        assert status["state"] == "blocked"
        assert status["reason"] == "PolicyConfigurationFailure"
        the_rest_works(world)
        send(world, bind(world, "10.1.2.254/24", 5002))
        world.ping("b1", w.ca("a1"))
        world.ping("b1", w.ca("b2"))


def port_state(world, name):
    (row,) = world.rows(HOST, "Physical_Port", ["status"],
                        [["name", "==", name]])
    status = dict(row["status"][1])
    return status["state"], status.get("reason")


def test_a_port_with_a_name_that_is_none(world):
    with clean(world):
        (row,) = world.rows(HOST, "Physical_Port", ["name", "_uuid"],
                            [["name", "==", f"{{{w.BY_NAME['a2'].port}}}"]])
        send(world, update("Physical_Port", {"_uuid": row["_uuid"]}, name=""))
        (found,) = diagnostics(world)
        assert found[:3] == ("PortName", "Physical_Port", "name")
        assert port_state(world, "") == ("blocked",
                                         "PolicyConfigurationFailure")
        world.ping("a1", w.ca("a3"))
        send(world, update("Physical_Port", {"_uuid": row["_uuid"]},
                           name=row["name"]))
        world.ping("a1", w.ca("a2"))


def test_two_ports_of_a_subnet_with_one_mac(world):
    names = {g: f"{{{w.BY_NAME[g].port}}}" for g in ("a1", "a2")}
    iface = world.lab.guest("a2").port
    with clean(world):
        world.on_host(HOST, "ovs-vsctl", "set", "Interface", iface,
                      f'external_ids:attached-mac="{w.mac("a1")}"')
        wait_for_diagnostic(world, "PortMacDuplicate")
        assert len(diagnostics(world)) == 2
        for d in diagnostics(world):
            assert d[:3] == ("PortMacDuplicate", "Physical_Port", "name")
        for name in names.values():
            assert port_state(world, name)[0] == "blocked"
        world.ping("b1", w.GATEWAY_B)
        world.on_host(HOST, "ovs-vsctl", "set", "Interface", iface,
                      f'external_ids:attached-mac="{w.mac("a2")}"')
        wait_for_diagnostic(world, "PortMacDuplicate", present=False)
        send(world)
        w.forget_cached(world.lab.host(HOST))
        world.ping("a1", w.ca("a2"))


def test_an_iface_id_on_two_interfaces(world):
    """Which of the two the policy means cannot be known: neither has
    traffic, and with one of them gone the other has."""
    with clean(world):
        host = world.lab.host(HOST)
        host.switch.vsctl(
            ["add-port", "br-int", "second"],
            ["set", "Interface", "second", "type=internal",
             f'external_ids:iface-id="{w.BY_NAME["a1"].port}"',
             f'external_ids:attached-mac="{w.mac("a1")}"'])
        try:
            wait_for_diagnostic(world, "IfaceIdDuplicate")
            only_diagnostic(world, "IfaceIdDuplicate", "Physical_Port",
                            "name", "second", "v-a1")
            the_rest_works(world, world.ping_soon)
            send(world)
            assert not [f for f in world.flows(HOST)
                        if f"dl_src={w.mac('a1')}" in f and "0x1389" in f]
        finally:
            host.switch.vsctl(["del-port", "br-int", "second"])
        wait_for_diagnostic(world, "IfaceIdDuplicate", present=False)
        send(world)
        world.ping_soon("a1", w.ca("a2"))


def wait_for_diagnostic(world, code, present=True):
    with world.client(HOST) as client:
        client.transact("ms_vtep", {
            "op": "wait", "table": "Diagnostic", "timeout": 10000,
            "where": [["code", "==", code]], "columns": ["code"],
            "until": "==", "rows": [{"code": code}] if present else []})


def test_a_restart_finds_the_same_and_decides_the_same(world):
    with clean(world):
        send(world, *mapping("10.1.1.99", "00:15:5d:00:0b:01")(world))
        send(world, *mapping("10.1.1.99", "00:15:5d:00:0b:02")(world),
             bind(world, "10.1.0.0/16", 5002))
        before, flows = diagnostics(world), world.flows(HOST)
        assert len(before) == 2
        agent = world.lab.host(HOST).agent
        for _ in range(3):
            agent.stop()
            agent.start()
            deliver.deliver(world.lab.host(HOST).remote, [["ms_vtep"]])
            assert diagnostics(world) == before
            assert world.flows(HOST) == flows
        send(world, delete("Ucast_Macs_Remote", ipaddr="10.1.1.99"),
             unbind("10.1.0.0/16"))


def test_a_deleted_row_takes_its_diagnostic_along(world):
    with clean(world):
        send(world, *mapping("10.77.0.9")(world))
        assert len(diagnostics(world)) == 1
        send(world, delete("Ucast_Macs_Remote", ipaddr="10.77.0.9"))


def test_many_bad_rows_do_not_drown_the_good_ones(world):
    with clean(world):
        operations = [o for i in range(200)
                      for o in mapping(f"10.77.1.{i}")(world)]
        send(world, *operations)
        assert len(diagnostics(world)) == 200
        the_rest_works(world)
        send(world, {"op": "delete", "table": "Ucast_Macs_Remote",
                     "where": [["MAC", "==", "00:15:5d:00:0b:ad"]]})


def test_a_refused_transaction_changes_nothing(world):
    with clean(world), world.client(HOST) as client:
        rows = world.rows(HOST, "Ucast_Macs_Remote", ["_uuid"])
        with pytest.raises(ovsdb.OvsdbError, match="referential integrity"):
            client.transact(
                "ms_vtep", *mapping("10.1.1.99")(world),
                {"op": "delete", "table": "Logical_Switch", "where": []})
        with pytest.raises(ovsdb.OvsdbError, match="constraint violation"):
            client.transact(
                "ms_vtep", *mapping("10.1.1.99")(world),
                {"op": "insert", "table": "Global", "row": {}})
        after = world.rows(HOST, "Ucast_Macs_Remote", ["_uuid"])
        assert sorted(map(str, rows)) == sorted(map(str, after))
        assert not is_known(world, "10.1.1.99")


def test_a_diagnostic_is_a_sentence_for_people(world):
    """Every one seen above has been logged with its row and its column."""
    lines = [line for line in log_of(world).splitlines()
             if "|diagnostics|WARN|" in line]
    assert len(lines) >= 20
    for line in lines:
        assert re.search(r"\|[A-Z]\w+ [0-9a-f-]{36} ?\w*: .*\.$", line), line
