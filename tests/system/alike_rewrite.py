# SPDX-License-Identifier: Apache-2.0
"""IP rewrite in two labs that should do alike.

Each CA of a guest has a PA of its own, of its family, in the provider subnets
of the host that the policy has the guest on.  When the stacks of the hosts and
of the underlay find out about each other's addresses is left to no chance:
they are told."""

import collections
import dataclasses
import ipaddress

from hnvlab import netns
from hnvlab.spec import UNDERLAY as ROUTER

from waiting import until

REWRITE = {"encapsulation": "ip_rewrite"}
OWN = range(100, 150)           # What PAs of guests' own end with.
OWN_IN = {4: "192.168.{}.{}", 6: "2001:db8:{}::{}"}
ALL_OWN = frozenset(
    ipaddress.ip_address(text.format(net, last)).packed
    for text in OWN_IN.values() for net in (1, 2) for last in OWN)
REWRITE_PORT = "hnv-rewrite"    # Into the host's stack.
KERNELS_OWN = "fe80", "ff00"    # What any device with IPv6 has routes to.


def own_pas(vm, number):
    """Of each CA of the guest with this number, where the guest is."""
    net = 2 if vm.host == "h2" else 1
    return [OWN_IN[6 if ":" in ca else 4].format(net, OWN[number])
            for ca in vm.cas]


def with_own_pas(policy, everybody):
    """As the policy's 'rewriting' subnets want it.  'everybody' are guests as
    they are at first, by whom they are numbered."""
    numbers = {(vm.vsid, vm.port): i for i, vm in enumerate(everybody)}
    return policy.replace(
        vms=[dataclasses.replace(vm, pas=own_pas(
            vm, numbers[vm.vsid, vm.port]) if vm.vsid in policy.rewriting
            else []) for vm in policy.vms],
        config={**{vsid: without_rewrite(config)
                   for vsid, config in policy.config.items()},
                **{vsid: {**policy.config.get(vsid, {}), **REWRITE}
                   for vsid in policy.rewriting}})


def without_rewrite(config):
    return {k: v for k, v in config.items() if k not in REWRITE}


def let_hosts_forward(side):
    """Of IPv6 that is the host's decision."""
    for host in side.lab.hosts.values():
        netns.sysctl(host.namespace, {"net/ipv6/conf/all/forwarding": 1})


def settle(side, policy):
    """Returns when the hosts' stacks do what the policy wants of them."""
    _introduce(side, policy)
    for name, host in side.lab.hosts.items():
        wanted = {pa for vm in policy.vms if vm.host == name for pa in vm.pas}
        until(lambda h=host, w=wanted: _routes(h.namespace) == w,
              f"{side.title}: the routes of {name}")


def _routes(namespace):
    """PAs that a host sends to its switch."""
    with netns.entered(namespace):
        with open("/proc/thread-self/net/route", encoding="ascii") as f:
            ipv4 = [line.split() for line in f]
        with open("/proc/thread-self/net/ipv6_route", encoding="ascii") as f:
            ipv6 = [line.split() for line in f]
    return ({str(ipaddress.IPv4Address(bytes.fromhex(words[1])[::-1]))
             for words in ipv4 if words[0] == REWRITE_PORT}
            | {str(ipaddress.IPv6Address(bytes.fromhex(words[0])))
               for words in ipv6 if words[-1] == REWRITE_PORT
               and not words[0].startswith(KERNELS_OWN)})


def _introduce(side, policy):
    """Who is near has the guests' PAs for neighbours, for ever."""
    lab, neighbours = side.lab, []
    for vm in own_guests(policy):
        for pa in vm.pas:
            neighbours.append((pa, side.mac(vm.host, int(":" in pa))))
    if neighbours:
        neighbours += [(subnet.gateway, side.mac(ROUTER, i))
                       for i, subnet in enumerate(lab.spec.underlay)]
    commands = collections.defaultdict(list)
    for address, mac in neighbours:
        for namespace, device in _devices_near(lab, address):
            commands[namespace].append(
                f"neigh replace {address} lladdr {mac.hex(':')} dev {device} "
                "nud permanent")
    for namespace, lines in commands.items():
        netns.ip(namespace, lines)


def _devices_near(lab, address):
    """Those that are in its subnet.  (The router's that has the address
    itself never asks.)"""
    index = lab.spec.subnet_index(address)
    yield lab.underlay.namespace, f"net{index}"
    for host in lab.hosts.values():
        for number, pa in enumerate(host.pas):
            if lab.spec.subnet_index(pa) == index:
                yield host.namespace, f"br-phy{number}"


def own_guests(policy):
    """Those with PAs of their own."""
    return [vm for vm in policy.vms if vm.pas]


def pa_of(vm, family):
    """With IP rewrite."""
    return next(pa for pa in vm.pas if (":" in pa) == (family == 6))
