# SPDX-License-Identifier: Apache-2.0
"""Which way packets take between hosts, at random.

Each host has a PA of each family.  A policy's hosts have tunnels by this one
or that, or at times one alone; some guests' mappings name the other one, or
the other encapsulation.  For what has no tunnel see alike_rewrite.py."""

from hnvlab.policy import (locator_row, locator_uuid, mapping_row, row_uuid,
                           switch_uuid)

PAS = {"h1": ["192.168.1.10", "2001:db8:1::10"],
       "h2": ["192.168.2.20", "2001:db8:2::20"],
       "h3": ["192.168.1.30", "2001:db8:1::30"]}
UNDERLAY = [{"subnet": "192.168.1.0/24", "gateway": "192.168.1.1"},
            {"subnet": "192.168.2.0/24", "gateway": "192.168.2.1"},
            {"subnet": "2001:db8:1::/64", "gateway": "2001:db8:1::1"},
            {"subnet": "2001:db8:2::/64", "gateway": "2001:db8:2::1"}]
ENCAPS = ["vxlan", "nvgre"]


def draw_hosts(rng):
    """Each host's PAs, the first of which mappings name."""
    family = rng.choice([0, 1, None, None])
    return {host: _draw_pas(rng, pas, family) for host, pas in PAS.items()}


def _draw_pas(rng, pas, family):
    first = rng.randrange(2) if family is None else family
    return pas[:1] if rng.random() < 0.1 else [pas[first], pas[1 - first]]


def draw_exceptions(rng, names, fences):
    """{guest's name: (PA's family by CA, encapsulation)} of some guests of
    'names', and of all 'fences', who meet by IPv4."""
    return {**{name: (_draw_families(rng), rng.choice(ENCAPS))
               for name in names if rng.random() < 0.25},
            **{name: ((4, 4), rng.choice(ENCAPS)) for name in fences}}


def _draw_families(rng):
    """There is a complaint of a MAC that is at two PAs."""
    family = rng.choice([4, 6])
    return family, family if rng.random() < 0.85 else 10 - family


def add_exceptions(policy, tables):
    for vm in policy.vms:
        families, encap = policy.exceptions.get(vm.name, ((), None))
        for ca, family in zip(vm.cas or [""], families):
            row = tables["Ucast_Macs_Remote"].get(
                row_uuid("mapping", vm.vsid, ca, vm.port))
            if row and not vm.pas:
                pa = _pa_of(policy.pas(vm.host), family)
                key = locator_uuid(pa, encap)
                tables["Physical_Locator"][key] = locator_row(pa, encap)
                row["locator"] = ["uuid", key]


def introduce_hosts(policy, tables, vsid):
    """A host of which mappings name one PA sends from its other one, too, to
    PAs of that family.  So that this is known for a host's, a subnet without
    other effects has a MAC there."""
    for i, host in enumerate(sorted(policy.hosts)):
        for pa in policy.pas(host):
            key = locator_uuid(pa, policy.encap)
            tables["Physical_Locator"][key] = locator_row(pa, policy.encap)
            family = 6 if ":" in pa else 4
            tables["Ucast_Macs_Remote"][row_uuid("host", host, family)] = (
                mapping_row(f"00:15:5d:00:0{family}:f{i}", "",
                            switch_uuid(vsid), key))


def _pa_of(pas, family):
    """The first if there is none of the family."""
    return next((pa for pa in pas if (":" in pa) == (family == 6)), pas[0])
