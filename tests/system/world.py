# SPDX-License-Identifier: Apache-2.0
"""The world most system tests happen in, and what they ask of it.

        contoso, one network:            fabrikam, with contoso's addresses:
          5001 10.1.1.0/24                 6001 10.1.1.0/24
          5002 10.1.2.0/24, gateway .254

    h1 PA 192.168.1.10   a1 a2  b1       x1
    h2 PA 192.168.2.20   a3     b2       x3
    h3 PA 192.168.1.30   a4

a is subnet 5001, b is 5002, x is 6001; x1 and x3 have the MACs and the
addresses of a1 and a3.  h2 is behind the underlay's router.
"""

import contextlib
import os
import signal

from hnvlab import deliver, netns, ovsdb
from hnvlab.policy import Network, Policy, Subnet, Vm
from wire import BROADCAST, arp_request, guest_tap, is_arp_reply

ROUTER_MAC = "02:00:5e:00:00:fe"
GATEWAY_A = "10.1.1.1"
GATEWAY_B = "10.1.2.254"
PAS = {"h1": "192.168.1.10", "h2": "192.168.2.20", "h3": "192.168.1.30"}


def vm(name, host, vsid, ca, mac):
    port = f"{vsid:08x}-0000-4000-8000-{int(ca.split('.')[-1]):012x}"
    return Vm(name, host, port, mac, vsid, [ca])


VMS = [
    vm("a1", "h1", 5001, "10.1.1.11", "00:15:5d:00:01:01"),
    vm("a2", "h1", 5001, "10.1.1.12", "00:15:5d:00:01:02"),
    vm("a3", "h2", 5001, "10.1.1.13", "00:15:5d:00:01:03"),
    vm("a4", "h3", 5001, "10.1.1.14", "00:15:5d:00:01:04"),
    vm("b1", "h1", 5002, "10.1.2.11", "00:15:5d:00:02:01"),
    vm("b2", "h2", 5002, "10.1.2.12", "00:15:5d:00:02:02"),
    vm("x1", "h1", 6001, "10.1.1.11", "00:15:5d:00:01:01"),
    vm("x3", "h2", 6001, "10.1.1.13", "00:15:5d:00:01:03"),
]
BY_NAME = {v.name: v for v in VMS}


def policy(encap="vxlan", **changes):
    return Policy(
        hosts=PAS,
        networks=[Network("contoso", [Subnet(5001, "10.1.1.0/24"),
                                      Subnet(5002, "10.1.2.254/24")]),
                  Network("fabrikam", [Subnet(6001, "10.1.1.0/24")])],
        vms=VMS, encap=encap, router_mac=ROUTER_MAC).replace(**changes)


def description(vms=None):
    """The lab for these guests."""
    return {
        "underlay": [{"subnet": "192.168.1.0/24", "gateway": "192.168.1.1"},
                     {"subnet": "192.168.2.0/24", "gateway": "192.168.2.1"}],
        "hosts": [{"name": h, "pa": [pa]} for h, pa in PAS.items()],
        "vms": [{"name": v.name, "host": v.host, "port": v.port, "mac": v.mac,
                 "ip": [f"{ca}/24" for ca in v.cas],
                 "gateway": GATEWAY_B if v.vsid == 5002 else GATEWAY_A}
                for v in (VMS if vms is None else vms)],
    }


def ca(name):
    return BY_NAME[name].cas[0]


def mac(name):
    return BY_NAME[name].mac


@contextlib.contextmanager
def paused(daemon):
    """For a while, a daemon that is there but does nothing."""
    pid = daemon.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def forget_cached(host):
    """Makes the next packet see the switch's tables as they are now.  Open
    vSwitch brings what it has cached of them up to date some milliseconds
    after a change; which packets still see the old is no matter of ours."""
    host.switch.forget_cached()


class World:
    """A lab and the policy that its hosts have."""

    def __init__(self, lab, first=None):
        self.lab = lab
        self.policy = None
        if first is not None:
            self.apply(first)

    def apply(self, new, forget=True):
        """Makes 'new' the policy of all hosts; returns once all switches
        have it, and unless 'forget' is false do nothing else any more."""
        for name, host in self.lab.hosts.items():
            transactions = (new.full(name) if self.policy is None
                            else new.since(self.policy, name))
            deliver.deliver(host.remote, transactions)
            if forget:
                forget_cached(host)
        self.policy = new

    def tap(self, guest):
        return guest_tap(self.lab, guest)

    def client(self, host):
        return ovsdb.Client(self.lab.host(host).remote)

    def transact(self, host, *operations, db="ms_vtep"):
        """Sends operations to one host, waits until the switch has them."""
        deliver.deliver(self.lab.host(host).remote, [[db, *operations]])
        forget_cached(self.lab.host(host))

    def rows(self, host, table, columns, where=None):
        with self.client(host) as client:
            return client.transact("ms_vtep", {
                "op": "select", "table": table, "where": where or [],
                "columns": columns})[0]["rows"]

    def on_host(self, host, *command):
        h = self.lab.host(host)
        env = [f"{k}={v}" for k, v in h.env().items()]
        return netns.run(netns.command(h.namespace, ["env", *env, *command]))

    def drops(self, host):
        """{reason: packets dropped for it so far}."""
        forget_cached(self.lab.host(host))      # And count them.
        text = self.on_host(host, "ovs-appctl", "-t", "hnv-agent",
                            "hnv/drops")
        return {reason: int(packets) for reason, packets in
                map(str.split, text.splitlines())}

    def flows(self, host):
        """The bridge's flows as sorted lines, without counters."""
        text = self.on_host(host, "ovs-ofctl", "-OOpenFlow15", "--no-stats",
                            "dump-flows", "br-int")
        return sorted(line.strip() for line in text.splitlines()
                      if "actions=" in line)

    def flows_and_entries(self, host):
        """All flows, and the entries of the datapath if it has any."""
        status = self.on_host(host, "ovs-appctl", "-t", "hnv-agent",
                              "hnv/status")
        entries = (self.lab.host(host).switch.appctl("hnv/space-show",
                                                     "1000000")
                   if "backend: hnv\n" in status else "")
        return self.flows(host) + sorted(
            line for line in entries.splitlines() if line.startswith("  "))

    def ping(self, source, to, count=1, size=56):
        """Real pings by the guest's own stack; every one is answered."""
        netns.run(netns.command(self.lab.guest(source).namespace, [
            "ping", "-n", "-q", f"-c{count}", "-i0.05", "-W5", f"-s{size}",
            to]))

    def ping_soon(self, source, to):
        """Pings until one is answered.  For when interfaces have come or gone
        on a host: then Open vSwitch reads all routes anew, and a packet that
        wants into a tunnel at that moment is lost."""
        netns.run(netns.command(self.lab.guest(source).namespace, [
            "ping", "-n", "-q", "-c1", "-i0.1", "-w10", to]))

    def gateway_mac(self, guest, gateway):
        """What the gateway's ARP answer says."""
        with self.tap(guest) as tap:
            tap.send(arp_request(mac(guest), ca(guest), gateway, BROADCAST))
            reply = tap.expect(lambda p: is_arp_reply(p, gateway),
                               f"ARP answer for {gateway}")
            return reply.hwsrc
