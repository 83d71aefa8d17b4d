# SPDX-License-Identifier: Apache-2.0
"""What tests of learning share.

The world is world.py's, but subnet 5001 (a1 and a2 on h1, a3 on h2, a4 on h3)
learns, and of its guests the policy knows the ports alone.  Subnet 5002 does
not learn; its guests have mappings."""

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Dict, List

from scapy.layers.l2 import ARP, Ether

from hnvlab import netns, policy as hnv_policy
import world as w
from waiting import until
from wire import BROADCAST, ZERO, arp_request

VSID = 5001
SPARE = "10.1.1.77"     # An address that no guest has at first.


@dataclass(frozen=True)
class Policy(hnv_policy.Policy):
    """A policy whose subnets have other_config, and that tells no mapping of
    some subnets' guests, but for those in 'known'."""
    config: Dict[int, Dict[str, str]] = field(default_factory=dict)
    untold: List[int] = field(default_factory=list)
    known: List[str] = field(default_factory=list)

    def rows(self, host):
        tables = super().rows(host)
        for vsid, config in self.config.items():
            switch = tables["Logical_Switch"][hnv_policy.switch_uuid(vsid)]
            switch["other_config"] = ["map", sorted(map(list, {
                **dict(switch["other_config"][1]), **config}.items()))]
        for vm in self.vms:
            if vm.vsid in self.untold and vm.name not in self.known:
                for ca in vm.cas:
                    del tables["Ucast_Macs_Remote"][hnv_policy.row_uuid(
                        "mapping", vm.vsid, ca, vm.port)]
        return tables

    def with_config(self, **config):
        return dataclasses.replace(self, config={VSID: config})


def learning_policy(encap="vxlan", plain=None, **config):
    plain = plain or w.policy(encap)
    values = {f.name: getattr(plain, f.name)
              for f in dataclasses.fields(plain)}
    return Policy(**values, untold=[VSID],
                  config={VSID: {"learning": "true", **config}})


def wait_for(condition, what, timeout=20):
    """Returns condition()'s first true value."""
    return until(condition, what, timeout)


def learned(world, host, vsid=VSID):
    """{CA: (MAC, where)} of a subnet as 'host' has it; where is the PA and the
    encapsulation, or "here"."""
    text = world.on_host(host, "ovs-appctl", "-t", "hnv-agent",
                         "hnv/learned")
    found = {}
    for m in re.finditer(r"VSID (\d+) CA (\S+) MAC (\S+) (?:on port \d+|"
                         r"at PA (\S+) by (\S+)), seen", text):
        if int(m.group(1)) == vsid:
            found[m.group(2)] = (m.group(3), f"{m.group(4)} {m.group(5)}"
                                 if m.group(4) else "here")
    return found


def counter(world, host, name):
    text = world.on_host(host, "ovs-appctl", "-t", "hnv-agent",
                         "hnv/learned")
    found = re.search(rf"^{name}: (\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def at(world, host):
    return f"{w.PAS[host]} {world.policy.encap}"


def reported(world, host):
    """Ucast_Macs_Local of 'host': {CA: (MAC, PA, encapsulation)}."""
    with world.client(host) as client:
        found = client.transact("ms_vtep", *[
            {"op": "select", "table": table, "where": [],
             "columns": ["_uuid", *columns]} for table, columns in (
                 ("Physical_Locator", ["dst_ip", "encapsulation_type"]),
                 ("Ucast_Macs_Local", ["MAC", "ipaddr", "logical_switch",
                                       "locator"]))])
    locators = {row["_uuid"][1]: row for row in found[0]["rows"]}
    result = {}
    for row in found[1]["rows"]:
        assert row["logical_switch"][1] == hnv_policy.switch_uuid(VSID)
        locator = locators[row["locator"][1]]
        assert row["ipaddr"] not in result
        result[row["ipaddr"]] = (row["MAC"], locator["dst_ip"],
                                 locator["encapsulation_type"])
    return result


def report_of(world, name, host, ca=None):
    return {ca or w.ca(name): (w.mac(name), w.PAS[host],
                               f"{world.policy.encap}_over_ipv4")}


def set_address(world, guest, old, new):
    """The guest gives up an address, and takes another; None for none."""
    namespace = world.lab.guest(guest).namespace
    if old:
        netns.run(netns.command(namespace, [
            "ip", "address", "del", f"{old}/24", "dev", "eth0"]))
    if new:
        netns.run(netns.command(namespace, [
            "ip", "address", "add", f"{new}/24", "dev", "eth0"]))


def forget_neighbors(world, *guests):
    for guest in guests:
        netns.run(netns.command(world.lab.guest(guest).namespace, [
            "ip", "neighbour", "flush", "all"]))


def start_over(world, new):
    """All hosts have nothing learned, and policy 'new'."""
    world.apply(new.with_config(learning="false"))
    for host in world.lab.hosts:
        wait_for(lambda h=host: not learned(world, h), "nothing learned")
    world.apply(new)
    forget_neighbors(world, "a1", "a2", "a3", "a4")


def know_each_other(world, *guests):
    """Has the first guest ping the others; then all hosts know all of
    them."""
    for other in guests[1:]:
        world.ping(guests[0], w.ca(other))
    for host in {world.lab.guest(g).vm.host for g in guests}:
        wait_for(lambda h=host: all(w.ca(g) in learned(world, h)
                                    for g in guests), f"known on {host}")


def gratuitous(guest, ca, op="who-has"):
    """A guest tells everybody that it has an address."""
    return Ether(src=w.mac(guest), dst=BROADCAST) / ARP(
        op=op, hwsrc=w.mac(guest), psrc=ca,
        hwdst=ZERO if op == "who-has" else BROADCAST, pdst=ca)


def probe(guest, ca):
    """A guest asks whether anybody has an address (RFC 5227)."""
    return arp_request(w.mac(guest), "0.0.0.0", ca)


def is_request(packet, pdst, psrc=None):
    return (ARP in packet and packet[ARP].op == 1
            and packet[ARP].pdst == pdst
            and (psrc is None or packet[ARP].psrc == psrc))


def diagnostics(world, host):
    return [row["text"] for row in world.rows(host, "Diagnostic", ["text"])]
