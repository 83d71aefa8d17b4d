#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Network virtualization, shown on two tenants with the very same addresses.

Builds a lab of two hosts, gives their agents policy as a controller would, and
looks at what guests see and what is on the wire.  Ends with status 0 only if
everything was as it says."""

import argparse
import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
UTILITIES = os.path.dirname(HERE)
sys.path[:0] = [UTILITIES, HERE]

import policies  # noqa: E402
import wire  # noqa: E402
from hnvlab import lab as labs, netns, ovsdb  # noqa: E402
from hnvlab.errors import LabError  # noqa: E402

LAB_TOOL = os.path.join(UTILITIES, "hnv-lab")
SQL, WEB, APP = "10.1.1.11", "10.1.1.12", "10.1.2.21"
NOBODY = "10.1.1.99"
ETH_P_ALL = 3
NAMES = ["demo", *[f"demo{i}" for i in range(2, 10)]]
TENANTS = (("contoso", policies.CONTOSO), ("fabrikam", policies.FABRIKAM))


def main():
    args = parse_arguments()
    if args.policies:
        try:
            policies.write_all(args.policies)
        except OSError as e:
            print(f"hnv-demo: --policies {args.policies}: {e.strerror}",
                  file=sys.stderr)
            return 1
        return 0
    for sig in labs.ENDING_SIGNALS:
        signal.signal(sig, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="hnv-demo.") as folder:
            return run(args, folder)
    except LabError as e:
        print(f"\nhnv-demo: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nhnv-demo: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _interrupt(_signal, _frame):
    # Another Ctrl-C must not stop the cleaning up that follows.
    for sig in labs.ENDING_SIGNALS:
        signal.signal(sig, signal.SIG_IGN)
    raise KeyboardInterrupt


def run(args, folder):
    policies.write_all(folder)
    demo = Demo(args.name or NAMES[0], folder)
    demo.may_be_renamed = not args.name
    try:
        demo.build()
        demo.show_vxlan()
        demo.show_isolation()
        demo.show_nvgre()
        demo.show_routing()
    finally:
        if demo.is_up and not args.keep:
            demo.remove()
    return demo.verdict()


def parse_arguments():
    parser = argparse.ArgumentParser(prog="hnv-demo", description=__doc__)
    parser.add_argument("--name", metavar="NAME", help="the lab's name "
                        f"(default: {NAMES[0]}, or while that is there, "
                        f"{NAMES[1]}, and so on)")
    parser.add_argument("--keep", action="store_true",
                        help="leave the lab up, to play with; "
                        '"hnv-lab --name NAME down" removes it')
    parser.add_argument("--policies", metavar="DIR", help="only write the "
                        "policies into DIR, to read or to send by hand")
    return parser.parse_args()


class Demo:
    """The lab, and what was expected of it so far."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.may_be_renamed = False
        self.is_up = False
        self.held = 0
        self.failed = []

    # The story.

    def build(self):
        title("Two hosts, five guests")
        say("""Two virtualization hosts, each with an Open vSwitch and an
            hnv-agent of its own.  Their provider addresses (PA) are in
            different subnets; a router connects them.  On them run guests of
            two tenants, Contoso and Fabrikam, which chose their customer
            addresses (CA) without asking each other: both have a database at
            10.1.1.11 and a web server at 10.1.1.12.""")
        print(PICTURE)
        while not self.try_up():
            self.name = NAMES[NAMES.index(self.name) + 1]
            print(f"  (that lab is there already; this one is {self.name})")

    def try_up(self):
        """Builds the lab; False if one of that name is there already, but
        another name will do.  Asking first would not be safe: two demos may
        start at once."""
        try:
            self.lab("up", policies.LAB_FILE)
        except LabError:
            if (self.may_be_renamed and self.name != NAMES[-1]
                    and os.path.isdir(labs.folder_of(self.name))):
                return False
            raise
        return True

    def show_vxlan(self):
        title("Policy: who is where")
        say("""So far no packet can go anywhere: the agents know of no virtual
            network, and a port without policy is blocked.""")
        self.expect_silence("contoso-sql", WEB, "without policy")
        say("""A controller now tells each host's agent, by OVSDB: there are
            two virtual networks, each with one virtual subnet (VSID 5001 and
            6001), and each customer address is a guest's with this MAC, on
            the host with this provider address.  These CA-PA mappings are
            the same on every host.  A few more rows go with them: which
            port is in which subnet, and firewall rules that let everything
            through.  This is how contoso-web's mapping is written:""")
        print(policies.excerpt(policies.VXLAN, "host1", WEB))
        self.send("1-vxlan")
        for host in policies.HOSTS:
            self.show_mappings(host, policies.VXLAN)

        title("Guests talk, each to its own")
        say("""The database servers ping 10.1.1.12.  Both use the same address
            on the same host, and each gets its own tenant's web server.""")
        for tenant, vsid in TENANTS:
            self.show_conversation(tenant, vsid, "vxlan")

    def show_isolation(self):
        title("Contoso never reaches Fabrikam")
        say("""While Contoso's guests ping all they can, everything that
            arrives at Fabrikam's guests is recorded.  Nothing may.""")
        with self.recording_guests("fabrikam") as seen:
            for vm in ("contoso-sql", "contoso-web"):
                self.guest(vm, "ip", "neigh", "flush", "dev", "eth0")
            self.expect_answer("contoso-sql", WEB, "its own web server")
            self.expect_answer("contoso-web", SQL, "its own database")
            self.expect_answer("contoso-sql", "10.1.1.1", "its gateway")
            self.expect_silence("contoso-sql", NOBODY,
                                "an address that is nobody's in Contoso")
        for vm, frames in seen.items():
            self.expect(frames == 0, f"{vm} received {frames} frames that "
                        "are not of its own tenant", "0")

    def show_nvgre(self):
        title("The same with NVGRE")
        say("""The controller replaces the locators: the hosts shall reach
            each other through NVGRE.  Only policy changes; the guests notice
            nothing.""")
        self.send("2-nvgre")
        for tenant, vsid in TENANTS:
            self.show_conversation(tenant, vsid, "nvgre")

    def show_routing(self):
        title("A second subnet, routed")
        say("""Contoso gets a second virtual subnet, 10.1.2.0/24 with VSID
            5002, and in it contoso-app at 10.1.2.21 on host2.  The router
            between them is on every host, in its switch: a packet is routed
            where it is born, and travels with the destination's VSID.""")
        self.expect_silence("contoso-sql", APP, "before the policy")
        self.send("3-routed")
        for host in policies.HOSTS:
            self.show_mappings(host, policies.ROUTED)
        self.expect_answer("contoso-sql", "10.1.1.1",
                           "the gateway, which is the switch itself")
        path = self.path("routed.pcap")
        with self.capturing("host1", path):
            self.expect_answer("contoso-sql", APP, "through the router")
        self.show_packet(path, SQL, APP, policies.CONTOSO_APP, "nvgre")
        packet = first(wire.packets(path, f"ip.dst == {APP} && icmp"))
        if packet:
            self.expect(packet.ttls[-1] == 63, "its TTL, routed once, is "
                        f"{packet.ttls[-1]}", "63")
        self.expect_answer("contoso-app", SQL, "and back")
        self.expect_silence("fabrikam-sql", APP,
                            "Fabrikam has no such subnet")

    # What the story is told with.

    def show_conversation(self, tenant, vsid, encap):
        """One tenant: a ping, its ARP, its packets."""
        sql, web = f"{tenant}-sql", f"{tenant}-web"
        path = self.path(f"{tenant}-{encap}.pcap")
        self.guest(sql, "ip", "neigh", "flush", "dev", "eth0")
        with self.capturing("host1", path):
            self.expect_answer(sql, WEB, f"{tenant.capitalize()}'s web server")
        self.show_arp(sql, mac_of(web), path)
        self.show_packet(path, SQL, WEB, vsid, encap)

    def show_arp(self, vm, mac, path):
        neighbours = self.guest(vm, "ip", "neigh", "show", WEB)
        found = re.search(r"lladdr (\S+)", neighbours)
        answer = found.group(1) if found else "nothing"
        self.expect(answer == mac, f"ARP told {vm} that {WEB} is at {answer}",
                    mac)
        asked = wire.count(path, f"arp.dst.proto_ipv4 == {WEB}")
        self.expect(asked == 0, "host1's switch knew the answer: of its "
                    f"request, {asked} packets went to the underlay", "0")

    def show_packet(self, path, source, target, vsid, encap):
        """Decodes a captured echo request and compares every number."""
        packet = first(wire.packets(
            path, f"icmp.type == 8 && ip.dst == {target}"))
        if not packet:
            self.expect(False, f"no packet to {target} was captured", "one")
            return
        print("  on the wire, as tshark decodes it:")
        for line in wire.picture(packet):
            print(f"      {line}")
        pas = " -> ".join(policies.HOSTS.values())
        self.expect(packet.ips[0] == pas, f"outer addresses {packet.ips[0]}",
                    pas)
        self.expect((packet.encap.lower(), packet.vsid) == (encap, vsid),
                    f"{packet.encap} with VSID {packet.vsid}",
                    f"{encap.upper()} with VSID {vsid}")
        cas = f"{source} -> {target}"
        self.expect(packet.ips[-1] == cas,
                    f"inner addresses {packet.ips[-1]}", cas)

    def show_mappings(self, host, policy):
        """Prints the CA-PA table that a host's agent holds."""
        mappings = self.mappings(host)
        print(f"\n  CA-PA mappings of {host} (PA {policies.HOSTS[host]}):")
        print(f"      {'CA':13}{'MAC':20}{'VSID':6}PA")
        for ca, mac, vsid, pa in mappings:
            here = "  (here)" if pa == policies.HOSTS[host] else ""
            print(f"      {ca:13}{mac:20}{vsid:<6}{pa}{here}")
        self.expect(mappings == policy.mappings(),
                    f"{host} holds {len(mappings)} mappings",
                    f"the {len(policy.mappings())} of the policy")

    def mappings(self, host):
        """(CA, MAC, VSID, PA) of each mapping, from the agent's database."""
        def select(table, *columns):
            return {"op": "select", "table": table, "where": [],
                    "columns": ["_uuid", *columns]}
        remote = self.lab("db", host, quiet=True).strip()
        with ovsdb.Client(remote) as client:
            switches, locators, rows = [r["rows"] for r in client.transact(
                "ms_vtep", select("Logical_Switch", "tunnel_key"),
                select("Physical_Locator", "dst_ip"),
                select("Ucast_Macs_Remote", "ipaddr", "MAC",
                       "logical_switch", "locator"))]
        vsid = {s["_uuid"][1]: s["tunnel_key"] for s in switches}
        pa = {loc["_uuid"][1]: loc["dst_ip"] for loc in locators}
        return sorted((r["ipaddr"], r["MAC"], vsid[r["logical_switch"][1]],
                       pa[r["locator"][1]]) for r in rows)

    def send(self, step):
        for host in policies.HOSTS:
            path = policies.file_name(self.folder, step, host)
            self.lab("policy", host, path)
            self.expect(True, f"{host}'s agent says that its switch has it",
                        "")

    def expect_answer(self, vm, address, why):
        output = self.guest(vm, "ping", "-c3", "-i0.2", "-W1", address)
        replies = len(re.findall(rf"bytes from {re.escape(address)}:",
                                 output))
        self.expect(replies == 3, f"{vm} pings {address}, {why}: "
                    f"{replies} of 3 answered", "3")

    def expect_silence(self, vm, address, why):
        output = self.guest(vm, "ping", "-c2", "-i0.2", "-W1", address)
        replies = len(re.findall(r"bytes from", output))
        self.expect(replies == 0, f"{vm} pings {address}, {why}: "
                    f"{replies} answered", "0")

    def expect(self, held, what, wanted):
        """Notes and says whether something was as it must be."""
        if held:
            self.held += 1
            print(f"  ok      {what}")
        else:
            self.failed.append(f"{what} (expected: {wanted})")
            print(f"  FAILED  {what} (expected: {wanted})")

    def guest(self, vm, *command):
        return self.lab("exec", vm, "--", *command, check=False)

    def lab(self, *words, check=True, quiet=False):
        """Runs hnv-lab, showing what one would type."""
        if not quiet:
            shown = [os.path.relpath(w) if w.startswith(HERE) else w
                     for w in words]
            print(f"  $ hnv-lab --name {self.name} {shlex.join(shown)}",
                  flush=True)
        process = subprocess.Popen(
            [LAB_TOOL, "--name", self.name, *words], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        try:
            output, errors = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
        finally:
            self.is_up |= words[0] == "up" and process.returncode == 0
        if check and process.returncode:
            raise LabError(errors.strip().removeprefix("hnv-lab: "))
        return output

    def path(self, name):
        return os.path.join(self.folder, name)

    @contextlib.contextmanager
    def capturing(self, host, path):
        """Records a host's underlay while the body runs."""
        print(f"  $ hnv-lab --name {self.name} capture {host} "
              f"{os.path.basename(path)} &")
        with self._recorder(["capture", host, path]):
            yield

    @contextlib.contextmanager
    def recording_guests(self, tenant):
        """Yields {guest: number}, filled when the body is done: of frames it
        received that none of its tenant's guests sent."""
        guests = [vm for vm in policies.VXLAN.vms
                  if vm.name.startswith(tenant)]
        own = {bytes.fromhex(vm.mac.replace(":", "")) for vm in guests}
        lab, seen = labs.load(self.name), {}
        with contextlib.ExitStack() as stack:
            sockets = {vm.name: stack.enter_context(
                listen(lab.guest(vm.name).namespace)) for vm in guests}
            yield seen
            for name, s in sockets.items():
                seen[name] = sum(source not in own for source in sources(s))

    @contextlib.contextmanager
    def _recorder(self, words):
        # In a session of its own: Ctrl-C is for us to pass on, or not.
        process = subprocess.Popen(
            [LAB_TOOL, "--name", self.name, *words], text=True,
            stderr=subprocess.PIPE, start_new_session=True)
        try:
            ready = process.stderr.readline()
            if not ready.startswith("listening"):
                raise LabError(ready.strip().removeprefix("hnv-lab: "))
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()

    def remove(self):
        with contextlib.suppress(BrokenPipeError):
            print(f"\n  $ hnv-lab --name {self.name} down", flush=True)
        self.lab("down", quiet=True)

    def verdict(self):
        print()
        if self.failed:
            print(f"{self.held} expectations held, "
                  f"{len(self.failed)} did not:")
            for what in self.failed:
                print(f"  {what}")
            return 1
        print(f"All {self.held} expectations held.")
        return 0


PICTURE = """\
      host1, PA 192.168.1.10             host2, PA 192.168.2.20
      +---------------------------+      +---------------------------+
      | contoso-sql    10.1.1.11  |      | contoso-web    10.1.1.12  |
      | fabrikam-sql   10.1.1.11  |      | fabrikam-web   10.1.1.12  |
      |                           |      | contoso-app    10.1.2.21  |
      +-------------+-------------+      +-------------+-------------+
                    |                                  |
             192.168.1.0/24 ------- router ------ 192.168.2.0/24
"""


def listen(namespace):
    """A socket that receives every frame at the guest's interface."""
    with netns.entered(namespace):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setblocking(False)
    s.bind(("eth0", ETH_P_ALL))
    return s


def sources(s):
    """The source MAC of each frame that came in."""
    with contextlib.suppress(BlockingIOError):
        while True:
            frame, address = s.recvfrom(2048)
            if address[2] != socket.PACKET_OUTGOING:
                yield frame[6:12]


def title(text):
    print(f"\n\n{text}\n{'=' * len(text)}")


def say(text):
    print("\n" + textwrap.fill(" ".join(text.split()), 78) + "\n", flush=True)


def first(items):
    return items[0] if items else None


def mac_of(name):
    return next(vm["mac"] for vm in policies.LAB["vms"]
                if vm["name"] == name)


if __name__ == "__main__":
    sys.exit(main())
