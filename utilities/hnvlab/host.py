# SPDX-License-Identifier: Apache-2.0
"""A host: its Open vSwitch, its uplinks with provider addresses, its agent.

            hnv-agent
                | OpenFlow, OVSDB
     guests - br-int ~ ~ ~ tunnels ~ ~ ~ br-phy0 - uplink0 ==== underlay
                                          (PA)
Every provider address has an uplink and a bridge of its own, br-phy0, br-phy1
and so on.  The address is on the bridge's internal port: there the userspace
datapath finds it and does the tunnels' routing and ARP itself.  The agent
makes br-int; the lab only says that it shall."""

import concurrent.futures
import json
import os
import socket
import time

from . import netns
from .daemon import Daemon
from .errors import LabError
from .switch import Switch
from .underlay import bridge_settings, port_settings

BRIDGE = "br-int"
READY_TIMEOUT = 30
# Number i's uplink routes what it sends in table 100 + i.
FIRST_TABLE = 100


class Host:
    """'programs' are paths of the agent and of ovs-vswitchd, the agent's
    additional arguments, and which backend it is to use."""

    def __init__(self, spec, desc, namespace, folder, programs):
        self.spec = spec
        self.name = desc.name
        self.pas = desc.pa
        self.namespace = namespace
        self.folder = folder
        self.switch = Switch(f"host {desc.name}", namespace, folder,
                             programs.vswitchd)
        self.run_dir = f"{folder}/hnv-run"
        self.remote = f"unix:{self.run_dir}/db.sock"
        self.agent = self._agent(programs)
        self.backend = programs.backend

    def env(self):
        """What 'hnv-lab host' adds to a command's environment."""
        return {**self.switch.env(), "HNV_RUNDIR": self.run_dir,
                "HNV_DBDIR": f"{self.folder}/db"}

    def prepare(self):
        """Settings of the namespace, before it has links."""
        netns.sysctl(self.namespace, {
            **netns.PORTS_UNHEARD,
            # Two uplinks may be in one subnet; each speaks for its own
            # address only.
            "net/ipv4/conf/all/arp_ignore": 1,
            "net/ipv4/conf/all/arp_announce": 2,
        })

    def start(self):
        """Everything up to the provider addresses.  The uplinks' cables are
        there already."""
        netns.ip(self.namespace, ["link set lo up"] + [
            f"link set {uplink} arp off up" for uplink in self.uplinks()
        ])
        for family in "46":
            netns.ip(self.namespace, self._rules(family), [f"-{family}"])
        self.switch.create(self._settings())
        self.start_switch()

    def start_switch(self):
        """The switch, and the addresses on its internal ports, which exist
        as long as it runs."""
        if self.switch.vswitchd.pid():
            return
        self.switch.vswitchd.start()
        for i, pa in enumerate(self.pas):
            netns.hear(self.namespace, f"br-phy{i}", 6 if ":" in pa else 4)
        netns.ip(self.namespace, self._addresses())

    def start_agent(self):
        """Returns when the agent serves its databases and the switch has the
        integration bridge."""
        for folder in (f"{self.folder}/db", self.run_dir):
            os.makedirs(folder, exist_ok=True)
        self.agent.start()
        self._wait_for("the agent's socket", self._agent_answers)
        try:
            self.switch.vsctl(["wait-until", "Bridge", BRIDGE,
                               "datapath_type=netdev"])
        except LabError:
            raise LabError(f"{self.agent.title} made no bridge {BRIDGE}"
                           ) from None

    def meet_neighbours(self, peers):
        """Resolves the next hops of this host's tunnels, so that no guest's
        first packet is lost to it: the gateways, and those of 'peers', the
        other provider addresses, that are in the same subnet."""
        jobs = []
        for i, pa in enumerate(self.pas):
            subnet = self.spec.subnet_of(pa)
            near = [p for p in peers if self.spec.subnet_of(p) is subnet]
            jobs += [(f"br-phy{i}", pa, to) for to in [subnet.gateway, *near]]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda job: self._ping(*job[1:]), jobs))
        for bridge, _, to in jobs:
            self._tell_neighbour(bridge, to)

    def uplinks(self):
        return [f"uplink{i}" for i in range(len(self.pas))]

    def _agent(self, programs):
        pidfile = f"{self.folder}/hnv-agent.pid"
        logfile = f"{self.switch.logs}/hnv-agent.log"
        args = [programs.agent, f"--db-dir={self.folder}/db",
                f"--run-dir={self.run_dir}", f"--ovsdb={self.switch.remote}",
                f"--pidfile={pidfile}", f"--log-file={logfile}",
                "--detach", "--no-chdir", "-vconsole:off",
                *programs.agent_args]
        return Daemon(f"host {self.name}'s hnv-agent", self.namespace,
                      pidfile, logfile, args, self.env())

    def _settings(self):
        commands = [["set", "Open_vSwitch", ".",
                     f"external_ids:system-id={self.name}",
                     f"external_ids:hnv-bridge={BRIDGE}",
                     "external_ids:hnv-datapath-type=netdev"]]
        if self.backend:
            commands[0].append(f"external_ids:hnv-backend={self.backend}")
        for i, pa in enumerate(self.pas):
            vlan = self.spec.subnet_of(pa).vlan
            commands += bridge_settings(f"br-phy{i}", vlan)
            commands += port_settings(f"br-phy{i}", f"uplink{i}", vlan)
        return commands

    def _addresses(self):
        """Addresses, a default route through the first gateway of each
        family, and one per further uplink in a table of its own."""
        commands, families = [], set()
        for i, pa in enumerate(self.pas):
            subnet = self.spec.subnet_of(pa)
            commands += [f"link set br-phy{i} up",
                         f"addr replace {pa}/{subnet.network.prefixlen} "
                         f"dev br-phy{i}"]
            if subnet.network.version not in families:
                families.add(subnet.network.version)
                commands.append(f"route replace default via {subnet.gateway} "
                                f"dev br-phy{i}")
            if i:
                commands += [
                    f"route replace {to} dev br-phy{i} table {FIRST_TABLE + i}"
                    for to in (subnet.subnet, f"default via {subnet.gateway}")]
        return commands

    def _rules(self, family):
        """What leaves from a further provider address leaves by its own
        uplink.  Unlike routes, rules outlive the links they lead to."""
        return [f"rule add from {pa} table {FIRST_TABLE + i}"
                for i, pa in enumerate(self.pas)
                if i and (":" in pa) == (family == "6")]

    def _ping(self, pa, to):
        """Ends when 'to' answers, whose MAC the kernel then knows."""
        try:
            netns.run(netns.command(self.namespace, [
                "ping", "-n", "-q", "-c1", "-i0.2", "-w10", "-I", pa, to]))
        except LabError:
            raise LabError(f"host {self.name}: no answer from {to} to "
                           f"{pa} on the underlay") from None

    def _tell_neighbour(self, bridge, address):
        """The switch keeps a table of its own for tunnels, and fills it from
        what passes only once it has a tunnel."""
        known = json.loads(netns.run(netns.command(self.namespace, [
            "ip", "-j", "neigh", "show", address, "dev", bridge])) or "[]")
        for mac in [n["lladdr"] for n in known if "lladdr" in n]:
            self.switch.appctl("tnl/neigh/set", bridge, address, mac)

    def _agent_answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.remote[len("unix:"):])
            return True
        except OSError:
            return False

    def _wait_for(self, what, condition):
        deadline = time.monotonic() + READY_TIMEOUT
        while not condition():
            if not self.agent.pid():
                raise LabError(f"{self.agent.title} ended at once; its log "
                               f"is {self.agent.logfile}")
            if time.monotonic() > deadline:
                raise LabError(f"host {self.name}: {what} does not appear "
                               f"within {READY_TIMEOUT} s")
            time.sleep(0.02)
