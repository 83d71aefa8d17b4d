# SPDX-License-Identifier: Apache-2.0
"""Random policies for two labs that should do alike, a kind at a time.

To world.py's guests, with IPv6 (world_ipv6.py), there are added

    c1 on h2, c2 on h3   subnet 5003 of contoso, 10.1.3.0/24
    y1 on h1, y2 on h2   island, 7001 10.7.1.0/24, which is never routed
    t1 on h1             by VLAN: none 5001, 10 5002, 20 7001
    x4 on h3             fabrikam, which policies leave in peace

By which way packets go between hosts is drawn in alike_ways.py."""

import dataclasses
from dataclasses import dataclass, field
from typing import Dict, List, Tuple

from hnvlab import policy as hnv_policy
from hnvlab.policy import Network, Subnet, row_uuid, switch_uuid

import alike_rewrite as rewrite
import alike_ways as ways
import learning
import world as w
import world_ipv6 as w6
from firewall_random import GUESTS, draw_rules
from firewall_rules import allow_all
from alike_ways import PAS
from trunk import describe_trunk

SHARED = ["10.1.1.50", "2001:db8:a:1::50"]
BEYOND = ["172.16.0.0/16", "172.16.5.0/24", "0.0.0.0/0", "10.1.2.12/32",
          "10.1.3.0/24", "2001:db8:beef::/48", "::/0",
          "2001:db8:a:2::12/128"]


# Of each subnet, what its CAs begin with.
STARTS = {5001: ("10.1.1.", "2001:db8:a:1::"),
          5002: ("10.1.2.", "2001:db8:a:2::"),
          5003: ("10.1.3.", "2001:db8:a:3::"),
          6001: ("10.1.1.", "2001:db8:a:1::"),
          7001: ("10.7.1.", "2001:db8:7:1::")}


def _cas(vsid, last):
    return [f"{start}{last}" for start in STARTS[vsid]]


def _vm(name, host, vsid, last, mac):
    cas = _cas(vsid, last)
    return dataclasses.replace(w.vm(name, host, vsid, cas[0], mac), cas=cas)


def ca_of(vm, family):
    return vm.cas[0 if family == 4 else 1]


C1 = _vm("c1", "h2", 5003, 11, "00:15:5d:00:03:01")
C2 = _vm("c2", "h3", 5003, 12, "00:15:5d:00:03:02")
Y1 = _vm("y1", "h1", 7001, 11, "00:15:5d:00:07:01")
Y2 = _vm("y2", "h2", 7001, 12, "00:15:5d:00:07:02")
X4 = _vm("x4", "h3", 6001, 14, "00:15:5d:00:01:04")
T1 = _vm("t1", "h1", 5001, 21, "00:15:5d:00:09:01")
T1_10 = dataclasses.replace(T1, vsid=5002, vlan=10, cas=_cas(5002, 21))
T1_20 = dataclasses.replace(T1, vsid=7001, vlan=20, cas=_cas(7001, 21))
VMS = [*w6.VMS, C1, C2, Y1, Y2, X4, T1, T1_10, T1_20]
FABRIKAM, ISLAND = 6001, 7001
QUIET = ("x1", "x3", "x4")      # On which policies have no effect.


def description():
    """Guests without addresses say nothing of their own accord."""
    ports = {vm.port: vm for vm in reversed(VMS)}
    return {"underlay": ways.UNDERLAY,
            "hosts": [{"name": h, "pa": pas} for h, pas in PAS.items()],
            "vms": [describe_trunk(vm) for vm in ports.values()]}


@dataclass(frozen=True)
class Policy(learning.Policy):
    """'shared' are who has each CA of SHARED, and on which host;
    'subnet_routes' are by VSID; 'rules' are firewall rules of guests, where
    not all is allowed; 'uplink_mtu' is for all hosts; 'exceptions' are guests
    whose mappings name another PA or encapsulation (alike_ways.py);
    'rewriting' are subnets with IP rewrite; 'hosts_are_known' by all their
    PAs."""
    shared: List[Tuple[str, str]] = field(default_factory=list)
    subnet_routes: Dict[int, Dict[str, str]] = field(default_factory=dict)
    forwarding: List[str] = field(default_factory=list)
    spoofing: List[str] = field(default_factory=list)
    rules: Dict[str, List[dict]] = field(default_factory=dict)
    uplink_mtu: int = 1600
    exceptions: Dict[str, Tuple[Tuple[int, int], str]] = field(
        default_factory=dict)
    rewriting: List[int] = field(default_factory=list)
    hosts_are_known: bool = True

    def rows(self, host):
        tables = super().rows(host)
        for vm in self.vms:
            for name, at in self.shared:
                if name == vm.name:
                    self._add_shared(tables, vm, at)
            port = tables["Physical_Port"].get(row_uuid("port", vm.port))
            if port and vm.name in self.spoofing:
                port["other_config"] = ["map", [["allow_spoof", "true"]]]
        for vsid, routes in self.subnet_routes.items():
            row = tables["Logical_Switch"].get(switch_uuid(vsid))
            if row:
                row["static_routes"] = ["map", sorted(map(list,
                                                          routes.items()))]
        ways.add_exceptions(self, tables)
        if self.hosts_are_known:
            ways.introduce_hosts(self, tables, FABRIKAM)
        self._rename_fixed(tables["Ucast_Macs_Remote"])
        return tables

    @staticmethod
    def _rename_fixed(mappings):
        """A mapping's type cannot change: it is another row then."""
        for key, row in list(mappings.items()):
            if row["mapping_type"] == "learning_disabled":
                mappings[row_uuid("fixed", key)] = mappings.pop(key)

    def _add_shared(self, tables, vm, host):
        for ca in SHARED:
            locator = self._add_locator(tables, host)
            key = row_uuid("shared", ca, vm.name, host)
            tables["Ucast_Macs_Remote"][key] = hnv_policy.mapping_row(
                vm.mac, ca, switch_uuid(vm.vsid), locator, "load_balanced")

    def full(self, host, firewall=True):
        return super().full(host, firewall=False) + self._others(host)

    def since(self, before, host, firewall=True):
        return (super().since(before, host, firewall=False)
                + [t for t in self._others(host)
                   if t not in before._others(host)])

    def _others(self, host):
        """What is in other databases, all of it anew."""
        ports = {vm.port: vm.name for vm in self.vms if vm.host == host}
        rules = [
            hnv_policy.insert("FW_Rules", {
                "rule_id": f"rule-{i}", **rule,
                "vnic_id": hnv_policy.braced(port)})
            for port, name in ports.items()
            for i, rule in enumerate(self.rules.get(name, allow_all()))]
        forwarding = [
            hnv_policy.insert("Ports", {
                "name": hnv_policy.braced(port),
                "enable_ip_forwarding": True})
            for port, name in ports.items() if name in self.forwarding]
        return [[db, {"op": "delete", "table": table, "where": []}, *inserts]
                for db, table, inserts in (
                    ("ms_firewall", "FW_Rules", rules),
                    ("ms_darv", "Ports", forwarding))]

    def with_routes(self, routes):
        return self.with_contoso(static_routes=routes)

    def with_contoso(self, **changes):
        return self.replace(networks=[
            dataclasses.replace(n, **changes) if n.name == "contoso" else n
            for n in self.networks])


def base(rng):
    """A policy of its guests alone, by ways that are random."""
    encaps = rng.sample(ways.ENCAPS, 2)
    return Policy(
        hosts=ways.draw_hosts(rng), encap=encaps[0],
        exceptions=ways.draw_exceptions(rng, [
            vm.name for vm in VMS if vm.name not in QUIET], QUIET),
        hosts_are_known=rng.random() < 0.8,
        encap_of={h: encaps[1] for h in PAS if rng.random() < 0.3},
        networks=[
            Network("contoso", [
                *_subnets(5001), Subnet(5002, "10.1.2.254/24"),
                Subnet(5002, f"{w6.GATEWAY_B}/64"), *_subnets(5003)]),
            Network("island", _subnets(7001), routed=False),
            *[n for n in w6.NETWORKS if n.name == "fabrikam"]],
        vms=VMS, router_mac=w.ROUTER_MAC)


def _subnets(vsid):
    start, start6 = STARTS[vsid]
    return [Subnet(vsid, f"{start}0/24"), Subnet(vsid, f"{start6}/64")]


# The kinds: each makes of a base policy another.


def plain(_, policy):
    return policy


def unrouted(_, policy):
    return policy.with_contoso(routed=False)


def static_routes(rng, policy):
    return policy.with_routes(_draw_routes(rng)).replace(
        subnet_routes={vsid: _draw_routes(rng) for vsid in (5001, 5002)},
        forwarding=rng.sample(["a1", "a3", "a4", "b1", "b2"], 3))


def _draw_routes(rng):
    routes = {}
    for prefix in rng.sample(BEYOND, rng.randrange(5)):
        hop = rng.choice(["a1", "a3", "a4", "b1", "b2", "drop"])
        routes[prefix] = (hop if hop == "drop" else w6.ca6(hop)
                          if ":" in prefix else w.ca(hop))
    return routes


def load_balanced(rng, policy):
    """Some are on several hosts, as far as this CA goes."""
    hosts = {vm.name: vm.host for vm in policy.vms}
    owners = {(name, hosts.get(name, "h1")) for name in rng.sample(
        ["a1", "a2", "a3", "a4"], rng.randrange(1, 5))}
    while rng.random() < 0.4:
        owners.add((rng.choice(["a1", "a2", "a3"]), rng.choice(list(PAS))))
    return policy.replace(shared=sorted(owners))


def migrating(rng, policy):
    for name in rng.sample(["a1", "a2", "a3", "a4", "b1", "b2", "c1"], 3):
        policy = policy.moving(name, rng.choice(list(PAS)),
                               migrating=rng.random() < 0.8)
    return policy


def learning_subnets(rng, policy):
    config = {"learning": "true"}
    untold = rng.sample([5001, 5002, 5003], 2)
    fixed = rng.sample(["a1", "a3", "b2", "c1"], 2)
    return policy.replace(
        config={vsid: config for vsid in untold}, untold=untold,
        known=rng.sample(["a1", "b2"], 1) + rng.sample(fixed, 1),
        vms=[dataclasses.replace(vm, mapping_type="learning_disabled")
             if vm.name in fixed else vm for vm in policy.vms])


def replication(rng, policy):
    return policy.replace(config={
        vsid: {"replication": rng.choice(["per_vm", "per_pa"])}
        for vsid in (5001, 5002, 7001)})


def firewall(rng, policy):
    return policy.replace(rules={guest: draw_rules(rng) for guest in GUESTS})


def short_uplinks(_, policy):
    """So that not all that guests send fits."""
    return policy.replace(uplink_mtu=1500)


def nameless(rng, policy):
    """Guests of which nothing but the MAC is told."""
    names = rng.sample(["a1", "a3", "a4", "b2", "c1", "y2"], 3)
    return policy.replace(vms=[
        dataclasses.replace(vm, cas=[]) if vm.name in names else vm
        for vm in policy.vms])


def ip_rewrite(rng, policy):
    """With another kind's policy; and at times not of all subnets that are
    routed to each other, of which there are complaints then.  (A shared CA
    would have PAs that the hosts' stacks answer for.)"""
    other = rng.choice([plain, plain, plain, unrouted, static_routes,
                        migrating, replication, firewall, nameless, loose])
    policy = other(rng, policy)
    return policy.replace(rewriting=_draw_rewriting(rng, policy))


def _draw_rewriting(rng, policy):
    routed = sorted({s.vsid for n in policy.networks if n.name == "contoso"
                     for s in n.subnets})
    if rng.random() < 0.15:
        routed.remove(rng.choice(routed))
    return routed + rng.sample([7001], rng.randrange(2))


def loose(rng, policy):
    """Guests that may send as others."""
    return policy.replace(spoofing=rng.sample(["a1", "a3", "b1", "b2"], 2),
                          forwarding=rng.sample(["a2", "a4", "c1"], 2))


KINDS = {kind.__name__.replace("_", "-"): kind for kind in (
    plain, unrouted, static_routes, load_balanced, migrating,
    learning_subnets, replication, firewall, short_uplinks, nameless,
    ip_rewrite, loose)}


def draw(rng, kind):
    return rewrite.with_own_pas(KINDS[kind](rng, base(rng)), VMS)


# What changes while packets flow.


def moved(rng, policy):
    """A mapping, whether the guest comes along or not."""
    vm = _one_of(rng, policy)
    hosts = [h for h in PAS if h != vm.host]
    return policy.moved(vm.name, rng.choice(hosts)) if not vm.vlan else policy


def gone(rng, policy):
    return policy.without(_one_of(rng, policy).name)


def _one_of(rng, policy):
    return rng.choice([vm for vm in policy.vms if vm.name not in QUIET
                       and vm.port != T1.port])


def other_gateway(_, policy):
    """5002's is another address."""
    return policy.with_contoso(subnets=[
        dataclasses.replace(s, prefix=s.prefix.replace(".254/", ".0/")
                            .replace("::fe/", "::/"))
        for n in policy.networks if n.name == "contoso" for s in n.subnets])


def no_subnet(_, policy):
    """5003 is gone with its guests."""
    contoso = next(n for n in policy.networks if n.name == "contoso")
    return policy.with_contoso(
        subnets=[s for s in contoso.subnets if s.vsid != 5003]).replace(
            vms=[vm for vm in policy.vms if vm.vsid != 5003],
            config={k: v for k, v in policy.config.items() if k != 5003},
            rewriting=[vsid for vsid in policy.rewriting if vsid != 5003])


def other_encaps(rng, policy):
    return policy.replace(encap_of={
        h: rng.choice(ways.ENCAPS) for h in PAS})


def other_pas(rng, policy):
    """Hosts have others, or have them in another order."""
    return policy.replace(hosts=ways.draw_hosts(rng))


def other_rewriting(rng, policy):
    if not policy.rewriting or rng.random() < 0.6:
        return policy
    return policy.replace(rewriting=rng.choice(
        [[], _draw_rewriting(rng, policy)]))


def other_routes(rng, policy):
    return policy.with_routes(_draw_routes(rng))


def other_owners(rng, policy):
    return load_balanced(rng, policy) if policy.shared else policy


def other_rules(rng, policy):
    return firewall(rng, policy) if policy.rules else policy


def changed(rng, policy):
    """The policy with some changes, of kinds that differ."""
    some = [moved, moved, gone, other_gateway, no_subnet, other_routes]
    if not policy.untold:       # Its agents have rows of locators, too.
        some += [other_encaps, other_pas]
    first = [other_owners, other_rules, other_rewriting] + rng.sample(some, 3)
    for change in first:
        policy = change(rng, policy)
    return rewrite.with_own_pas(policy, VMS)
