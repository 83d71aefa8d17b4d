# SPDX-License-Identifier: Apache-2.0
"""Policy, as a controller would write it, from a short description.

    policy = Policy(
        hosts={"h1": "192.168.1.10", "h2": "192.168.2.20"},
        networks=[Network("Contoso", [Subnet(5001, "10.1.1.0/24")])],
        vms=[Vm("sql", "h1", "{...}", "02:00:00:00:00:01", 5001,
                ["10.1.1.11"])])
    policy.full("h1")                    the transactions for h1's agent

A Policy is a value.  To change something, make another one, by replace() or
one of the methods that do, and send each host what is different:

    after = policy.moved("sql", "h2")
    after.since(policy, "h1")            the transactions that lead there

In life a guest that moves has its port on the new host before it comes:
policy.moving("sql", "h2"), then policy.moved("sql", "h2").

rows() is what all this rests on: every row a host shall have, under a UUID
that follows from what the row is about.  So a later transaction can name a
row of an earlier one without asking for it."""

import dataclasses
import uuid
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Dict, List, Optional

ALLOW_ALL_PRIORITY = 65000

# Rows vanish by themselves when nothing refers to them any more.  So would a
# Physical_Port, but too late for a Logical_Switch that it refers to and that
# is deleted in the same transaction.
COLLECTED = ("Physical_Locator", "Physical_Locator_Set")
# Rows come before those that refer to them, and go after them.
VTEP_TABLES = ("Physical_Locator", "Physical_Locator_Set", "Logical_Switch",
               "Logical_Router", "Physical_Port", "Ucast_Macs_Remote",
               "Mcast_Macs_Remote")

_UUIDS = uuid.UUID("5d8d8a5e-6c3f-4d0e-9a39-2b1f8d0b7a11")


@dataclass(frozen=True)
class Subnet:
    """A virtual subnet.  A 'prefix' with its host part set, such as
    10.1.1.254/24, gives the gateway's address."""
    vsid: int
    prefix: str
    other_config: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """A virtual network, which is one routing domain."""
    name: str
    subnets: List[Subnet]
    routed: bool = True
    static_routes: Dict[str, str] = field(default_factory=dict)

    @property
    def rdid(self):
        return guid("network", self.name)


@dataclass(frozen=True)
class Vm:
    """A guest's interface: the port it has, on which host, in which subnet,
    and its addresses there (without prefix lengths).  'next_host' has its
    port, too, and, if 'migrating', gets a copy of what is for it.  With IP
    rewrite 'pas' are the provider addresses of its own, one each.  A guest
    that is in more subnets by its VLANs is one of these for each, with the
    same port."""
    name: str
    host: str
    port: str
    mac: str
    vsid: int
    cas: List[str]
    mapping_type: str = "default"
    next_host: Optional[str] = None
    migrating: bool = False
    pas: List[str] = field(default_factory=list)
    vlan: int = 0


@dataclass(frozen=True)
class Policy:
    """What all hosts shall do.  'hosts' is {name: provider address}, or a
    list of them, of which the first is used in mappings.  'encap' is the
    encapsulation towards every host, but for the hosts in 'encap_of'."""
    hosts: Dict[str, object]
    networks: List[Network]
    vms: List[Vm]
    encap: str = "vxlan"
    encap_of: Dict[str, str] = field(default_factory=dict)
    router_mac: Optional[str] = None

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)

    def moving(self, name, host, migrating=False):
        """The guest is about to move to another host."""
        return self._with_change(name, next_host=host, migrating=migrating)

    def moved(self, name, host):
        """The guest is on another host."""
        return self._with_change(name, host=host, next_host=None,
                                 migrating=False)

    def without(self, name):
        """The guest, its port and its mappings are gone."""
        return self.replace(vms=[vm for vm in self.vms if vm.name != name])

    def with_vm(self, vm):
        return self.replace(vms=[*self.vms, vm])

    def pas(self, host):
        """A host's provider addresses."""
        pas = self.hosts[host]
        return [pas] if isinstance(pas, str) else list(pas)

    def tunnel_ips(self, host):
        """These, and those of its guests."""
        return self.pas(host) + sorted(
            {pa for vm in self.vms if vm.host == host for pa in vm.pas})

    def full(self, host, firewall=True):
        """Transactions for an agent whose databases are empty."""
        return self._transactions(host, {}, self.rows(host), [], firewall, [])

    def since(self, before, host, firewall=True):
        """Transactions that turn policy 'before' into this one."""
        return self._transactions(host, before.rows(host), self.rows(host),
                                  before.ports(host), firewall,
                                  before.tunnel_ips(host))

    def ports(self, host):
        """Port names of the guests on a host."""
        return list(dict.fromkeys(vm.port for vm in self.vms
                                  if host in (vm.host, vm.next_host)))

    def mappings(self):
        """(CA, MAC, VSID, PA) of every customer address, sorted."""
        return sorted((ca, vm.mac, vm.vsid, self.pas(vm.host)[0])
                      for vm in self.vms for ca in vm.cas)

    def rows(self, host):
        """{table: {row's UUID: row}} of ms_vtep, without the Physical_Switch,
        which is the agent's.  Mappings are the same on every host; ports are
        each host's own."""
        tables = {table: {} for table in VTEP_TABLES}
        for network in self.networks:
            self._add_network(tables, network)
        for vm in self.vms:
            self._add_vm(tables, vm, host in (vm.host, vm.next_host))
        return tables

    def _with_change(self, name, **changes):
        return self.replace(vms=[
            dataclasses.replace(vm, **changes) if vm.name == name else vm
            for vm in self.vms])

    def _add_network(self, tables, network):
        for subnet in network.subnets:
            tables["Logical_Switch"][switch_uuid(subnet.vsid)] = {
                "name": guid("subnet", subnet.vsid),
                "description": network.rdid, "tunnel_key": subnet.vsid,
                "other_config": ["map", self._switch_config(subnet)]}
            self._add_flooding(tables, subnet.vsid)
        tables["Logical_Router"][row_uuid("router", network.name)] = {
            "name": network.rdid, "description": network.name,
            "enable_logical_router": network.routed,
            "switch_binding": ["map", [
                [s.prefix, ["uuid", switch_uuid(s.vsid)]]
                for s in network.subnets]],
            "static_routes": ["map", sorted(
                map(list, network.static_routes.items()))]}

    def _switch_config(self, subnet):
        migrations = {f"migrating:{ca}": self.pas(vm.next_host)[0]
                      for vm in self.vms
                      if vm.vsid == subnet.vsid and vm.migrating
                      for ca in vm.cas}
        return sorted(map(list, {**subnet.other_config,
                                 **migrations}.items()))

    def _add_flooding(self, tables, vsid):
        """Broadcasts go to the hosts where the subnet has guests."""
        hosts = sorted({vm.host for vm in self.vms if vm.vsid == vsid})
        if not hosts:
            return
        members = [self._add_locator(tables, h) for h in hosts]
        key = row_uuid("set", vsid, *members)
        tables["Physical_Locator_Set"][key] = {
            "locators": ["set", [["uuid", m] for m in members]]}
        tables["Mcast_Macs_Remote"][row_uuid("flood", vsid)] = {
            "MAC": "unknown-dst", "ipaddr": "",
            "logical_switch": ["uuid", switch_uuid(vsid)],
            "locator_set": ["uuid", key]}

    def _add_vm(self, tables, vm, is_local):
        for ca, pa in zip_longest(vm.cas or [""], vm.pas):
            locator = self._add_locator(tables, vm.host, pa)
            key = row_uuid("mapping", vm.vsid, ca, vm.port)
            tables["Ucast_Macs_Remote"][key] = mapping_row(
                vm.mac, ca, switch_uuid(vm.vsid), locator, vm.mapping_type)
        if is_local:
            row = tables["Physical_Port"].setdefault(
                row_uuid("port", vm.port),
                {"name": braced(vm.port), "vlan_bindings": ["map", []]})
            row["vlan_bindings"][1].append(
                [vm.vlan, ["uuid", switch_uuid(vm.vsid)]])

    def _add_locator(self, tables, host, pa=None):
        pa = pa or self.pas(host)[0]
        encap = self.encap_of.get(host, self.encap)
        key = locator_uuid(pa, encap)
        tables["Physical_Locator"][key] = locator_row(pa, encap)
        return key

    def _transactions(self, host, old, new, old_ports, firewall, old_pas):
        result = []
        operations = self._switch_operations(host, old, new, old_pas)
        operations += _differences(old, new)
        if operations:
            result.append(["ms_vtep", *operations])
        if firewall:
            rules = _rule_operations(old_ports, self.ports(host))
            if rules:
                result.append(["ms_firewall", *rules])
        return result

    def _switch_operations(self, host, old, new, old_pas):
        """Changes of the Physical_Switch, which must be the host's own: a
        policy sent to the wrong host is refused."""
        where = [["name", "==", host]]
        change = {}
        pas = self.tunnel_ips(host)
        if pas != old_pas:
            change["tunnel_ips"] = ["set", pas]
        if self.router_mac and not old:
            change["distributed_router_mac"] = self.router_mac
        mutations = _port_mutations(old.get("Physical_Port", {}),
                                    new["Physical_Port"])
        operations = []
        if change:
            operations.append({"op": "update", "table": "Physical_Switch",
                               "where": where, "row": change})
        if mutations:
            operations.append({"op": "mutate", "table": "Physical_Switch",
                               "where": where, "mutations": mutations})
        if operations:
            operations.insert(0, _wait_for_switch(host))
        return operations


def row_uuid(*words):
    """The UUID of the row that is about 'words', always the same one."""
    return str(uuid.uuid5(_UUIDS, "/".join(map(str, words))))


def guid(*words):
    """Likewise, as a GUID in braces, for names."""
    return braced(row_uuid("guid", *words))


def braced(text):
    return "{" + text.strip("{}") + "}"


def switch_uuid(vsid):
    return row_uuid("subnet", vsid)


def locator_uuid(pa, encap):
    return row_uuid("locator", pa, encap)


def locator_row(pa, encap):
    family = "ipv6" if ":" in pa else "ipv4"
    return {"dst_ip": pa, "encapsulation_type": f"{encap}_over_{family}"}


def mapping_row(mac, ca, switch, locator, mapping_type="default"):
    """A CA-PA mapping; 'switch' and 'locator' are UUIDs."""
    return {"MAC": mac, "ipaddr": ca, "logical_switch": ["uuid", switch],
            "locator": ["uuid", locator], "mapping_type": mapping_type}


def allow_all_rules(port):
    """The two firewall rules that let everything through a port."""
    return [{"rule_id": guid("allow", direction, port.strip("{}")),
             "vnic_id": braced(port),
             "protocols": "*", "src_ip_addresses": "*",
             "dst_ip_addresses": "*", "src_ports": "*", "dst_ports": "*",
             "priority": ALLOW_ALL_PRIORITY, "direction": direction,
             "action": "Allow", "rule_type": "RuleWithControllerPriority",
             "rule_state": "Enabled", "logging_state": "Disabled"}
            for direction in ("Inbound", "Outbound")]


def insert(table, row, key=None):
    """An insert operation, of a row with UUID 'key' if it is given."""
    operation = {"op": "insert", "table": table, "row": row}
    if key:
        operation["uuid"] = key
    return operation


def delete(table, key):
    return {"op": "delete", "table": table, "where": _is(key)}


def update(table, key, row):
    return {"op": "update", "table": table, "where": _is(key), "row": row}


def _is(key):
    return [["_uuid", "==", ["uuid", key]]]


def _differences(old, new):
    """Operations that turn rows 'old' into 'new'."""
    operations = []
    for table in VTEP_TABLES:
        before = old.get(table, {})
        for key, row in new[table].items():
            if key not in before:
                operations.append(insert(table, row, key))
            elif before[key] != row:
                operations.append(update(table, key, {
                    column: value for column, value in row.items()
                    if before[key].get(column) != value}))
    for table in reversed(VTEP_TABLES):
        if table not in COLLECTED:
            operations += [delete(table, key) for key in old.get(table, {})
                           if key not in new[table]]
    return operations


def _port_mutations(old, new):
    gone = [["uuid", key] for key in old if key not in new]
    come = [["uuid", key] for key in new if key not in old]
    return ([["ports", "delete", ["set", gone]]] if gone else []) + (
        [["ports", "insert", ["set", come]]] if come else [])


def _rule_operations(old_ports, new_ports):
    operations = [{"op": "delete", "table": "FW_Rules",
                   "where": [["vnic_id", "==", braced(port)]]}
                  for port in old_ports if port not in new_ports]
    return operations + [insert("FW_Rules", rule)
                         for port in new_ports if port not in old_ports
                         for rule in allow_all_rules(port)]


def _wait_for_switch(host):
    """Fails unless the agent's Physical_Switch is that of 'host'."""
    return {"op": "wait", "timeout": 0, "table": "Physical_Switch",
            "where": [["name", "==", host]], "columns": ["name"],
            "until": "==", "rows": [{"name": host}]}
