#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures for the firewall: many rules, one changed, what the switch caches.

One host with 64 ports, each with 1,000 rules, and a switch that is a real
ovs-vswitchd.

    one set     all ports have the same rules, each with 50 prefixes and 20
                ports
    own sets    each port has rules of its own, with 4 prefixes and 4 ports

    load        from the transaction to cur_cfg: the switch has it
    change      likewise, of one rule of one port.  With one set that port
                then has a set of its own, once; after that a rule's flows
                change
    agent, switch    memory, and what it was before there were rules

Then one guest opens 10,000 UDP connections to another, from 100 ports to 100
ports, while both have rules, and the switch's cache is counted: megaflows, and
kinds of them, by what they match.

HNV_BENCH_PORTS, HNV_BENCH_RULES: other numbers.  Nothing passes or fails here:
machines differ.
"""

import os
import random
import re
import socket
import statistics
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "utilities"), HERE]

# pylint: disable=wrong-import-position
from hnvlab import deliver, lab as hnv_lab, netns, ovsdb  # noqa: E402
from hnvlab import spec as lab_spec  # noqa: E402
from hnvlab.policy import (Network, Policy, Subnet, Vm,  # noqa: E402
                           braced)
from mappings import AGENT, resident_mib  # noqa: E402

N_PORTS = int(os.environ.get("HNV_BENCH_PORTS", "64"))
N_RULES = int(os.environ.get("HNV_BENCH_RULES", "1000"))
N_CHANGES = 10
N_SIDES = 100
TIMEOUT = 600
RAISE = {"op": "mutate", "table": "FW_Global", "where": [],
         "mutations": [["next_cfg", "+=", 1]]}
READ = {"op": "select", "table": "FW_Global", "where": [],
        "columns": ["next_cfg"]}


def vm(i):
    return Vm(f"vm{i}", "h1", f"00000000-0000-4000-8000-{i:012x}",
              f"00:15:5d:00:00:{i:02x}", 5001, [f"10.0.0.{i + 10}"])


VMS = [vm(i) for i in range(1, N_PORTS + 1)]
GUESTS = VMS[:2]
POLICY = Policy(hosts={"h1": "192.168.1.10"}, vms=VMS,
                networks=[Network("bench", [Subnet(5001, "10.0.0.0/8")])],
                router_mac="02:00:5e:00:00:fe")
LAB = {
    "underlay": [{"subnet": "192.168.1.0/24", "gateway": "192.168.1.1"}],
    "hosts": [{"name": "h1", "pa": ["192.168.1.10"]}],
    "vms": [{"name": v.name, "host": "h1", "port": v.port, "mac": v.mac,
             "ip": [f"{v.cas[0]}/8"]} for v in GUESTS],
}


def prefix(rng):
    return (f"10.{rng.randrange(1, 250)}.{rng.randrange(256)}.0"
            f"/{rng.choice([24, 26, 28])}")


def rule(i, port, rng, n_prefixes, n_ports):
    """Rule 'i': for some addresses and ports; the last for all."""
    last = i == N_RULES - 1
    return {
        "rule_id": f"rule{i}", "vnic_id": braced(port), "priority": 100 + i,
        "direction": "Inbound" if i % 2 else "Outbound",
        "action": "Allow" if last or i % 3 else "Block",
        "protocols": "tcp,udp" if i % 5 == 0 else "tcp",
        "src_ip_addresses": ",".join(prefix(rng) for _ in range(n_prefixes)),
        "dst_ip_addresses": "*", "src_ports": "*",
        "dst_ports": ",".join(str(rng.randrange(1, 40000))
                              for _ in range(n_ports)),
        "rule_type": "RuleWithControllerPriority", "rule_state": "Enabled",
        "logging_state": "Disabled"}


def for_all(port, direction):
    return {
        "rule_id": f"all-{direction}", "vnic_id": braced(port),
        "priority": 65000, "direction": direction, "action": "Allow",
        "protocols": "*", "src_ip_addresses": "*", "dst_ip_addresses": "*",
        "src_ports": "*", "dst_ports": "*",
        "rule_type": "RuleWithControllerPriority", "rule_state": "Enabled",
        "logging_state": "Disabled"}


def rules(port, seed, n_prefixes, n_ports):
    rng = random.Random(seed)
    return ([rule(i, port, rng, n_prefixes, n_ports) for i in range(N_RULES)]
            + [for_all(port, d) for d in ("Inbound", "Outbound")])


class Bench:
    def __init__(self, lab):
        self.lab = lab
        self.host = lab.host("h1")
        self.agent = self.host.agent.pid()
        self.switch = self.host.switch.vswitchd.pid()
        self._plug_others()
        deliver.deliver(self.host.remote, POLICY.full("h1"))
        self.client = ovsdb.Client(self.host.remote, timeout=TIMEOUT)
        self.client.call("monitor", ["ms_firewall", "cfg", {
            "FW_Global": {"columns": ["cur_cfg"]}}])

    def _plug_others(self):
        """Ports without a guest behind them."""
        for i, v in enumerate(VMS[2:]):
            self.host.switch.vsctl([
                "add-port", "br-int", f"p{i}", "--", "set", "interface",
                f"p{i}", "type=internal",
                f"external_ids:iface-id={v.port}",
                f'external_ids:attached-mac="{v.mac}"'])

    def commit(self, *operations):
        """Seconds until the switch has it."""
        start = time.perf_counter()
        results = self.client.transact("ms_firewall", *operations, RAISE,
                                       READ)
        failure = ovsdb.failure(results)
        if failure:
            raise SystemExit(failure[1])
        wanted = results[-1]["rows"][0]["next_cfg"]
        seen = 0
        while seen < wanted:
            note = self.client.notification(time.monotonic() + TIMEOUT)
            for row in note["params"][1].get("FW_Global", {}).values():
                seen = row["new"].get("cur_cfg", seen)
        return time.perf_counter() - start

    def on_host(self, *command):
        return netns.run(netns.command(self.host.namespace, [
            "env", *(f"{k}={v}" for k, v in self.host.env().items()),
            *command]))

    def flows(self):
        text = self.on_host("ovs-ofctl", "dump-aggregate", "br-int")
        return int(text.rpartition("flow_count=")[2])

    def memory(self):
        return (f"agent {resident_mib(self.agent):.0f} MiB, "
                f"switch {resident_mib(self.switch):.0f} MiB")

    def load(self, all_rules):
        """All at once, in place of what was there."""
        seconds = self.commit(
            {"op": "delete", "table": "FW_Rules", "where": []},
            *({"op": "insert", "table": "FW_Rules", "row": row}
              for row in all_rules))
        print(f"    load {seconds:.1f} s, {self.flows()} flows, "
              f"{self.memory()}")

    def change(self, port, n):
        times = []
        for i in range(n):
            times.append(self.commit({
                "op": "update", "table": "FW_Rules",
                "where": [["vnic_id", "==", braced(port)],
                          ["rule_id", "==", f"rule{7 + i}"]],
                "row": {"src_ip_addresses": f"10.7.{i}.0/24"}}))
        return times

    def changes(self):
        first, *rest = self.change(VMS[2].port, N_CHANGES)
        print(f"    change of a rule: first {first * 1e3:.0f} ms, then "
              f"{statistics.median(rest) * 1e3:.0f} ms")

    def connect(self):
        """Opens connections; returns packets that arrived."""
        sender, receiver = (self.lab.guest(v.name) for v in GUESTS)
        with netns.entered(receiver.namespace):
            ears = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    for _ in range(N_SIDES)]
        for i, ear in enumerate(ears):
            ear.bind((GUESTS[1].cas[0], 50000 + i))
            ear.setblocking(False)
        with netns.entered(sender.namespace):
            mouths = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                      for _ in range(N_SIDES)]
        for i, mouth in enumerate(mouths):
            mouth.bind((GUESTS[0].cas[0], 40000 + i))
            for j in range(N_SIDES):
                mouth.sendto(b"x", (GUESTS[1].cas[0], 50000 + j))
                if j % 20 == 0:
                    time.sleep(0.005)
        time.sleep(1)
        heard = 0
        for ear in ears:
            try:
                while ear.recv(16):
                    heard += 1
            except BlockingIOError:
                pass
        for s in ears + mouths:
            s.close()
        return heard

    def cache(self):
        heard = self.connect()
        lines = [line for line in self.on_host(
            "ovs-appctl", "dpctl/dump-flows").splitlines()
                 if "actions" in line]
        kinds = {re.sub(r"=[^,()/]*|0x[0-9a-f]+|\(\d+\)", "",
                        line.partition(", packets")[0]) for line in lines}
        print(f"    {N_SIDES ** 2} connections, {heard} heard: {len(lines)} "
              f"megaflows of {len(kinds)} kinds")


def run(bench):
    print(f"{N_PORTS} ports, {N_RULES} rules each")
    print(f"  no rules but ALLOW ALL: {bench.flows()} flows, "
          f"{bench.memory()}")
    bench.cache()
    print("  one set:")
    bench.load([r for v in VMS for r in rules(v.port, 1, 50, 20)])
    bench.cache()
    bench.changes()
    print("  own sets:")
    bench.load([r for i, v in enumerate(VMS)
                for r in rules(v.port, i, 4, 4)])
    bench.cache()
    bench.changes()


def main():
    lab = hnv_lab.build(f"bench{os.getpid()}", lab_spec.from_json(LAB),
                        hnv_lab.Programs(AGENT, []))
    try:
        run(Bench(lab))
    finally:
        lab.down()


if __name__ == "__main__":
    main()
