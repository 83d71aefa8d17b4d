#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures for a guest that moves to another host: how long it is dark.

    h1 PA 192.168.1.10   m  s1  c1       10.1.1.0/24: m s1 s2 c1 c2 c3
    h2 PA 192.168.2.20      s2  c2       10.1.2.0/24: s3
    h3 PA 192.168.1.30      s3  c3       (h2 is behind the underlay's router)

m moves between h1 and h2 while s1, s2 and s3 (which is routed) send it 1,000
pings per second each, a TCP stream goes from s3 to m, one record per
millisecond, and c1 and c3 ping c2, who have nothing to do with it.

    absent   from the moment that the old host's database has no such port to
             the moment that the new host's says that the switch has it
    agent    from then until the new host's agent has told the switch what to
             do with the port
    dark     of a sender: from the last ping before the move that was
             answered to the first after it, by when they were sent
    beyond   dark less absent: what the overlay adds
    pause    the TCP receiver's longest wait for the next record; after a
             loss the sender's own timer decides it, 200 ms at least
    lost     pings of c1 and c3 without an answer.  A switch in userspace reads
             all routes anew whenever a link comes or goes, and may lose a
             packet of any tunnel while it does; the kernel's does not

The controller has told the new host of the port beforehand.  It changes one
mapping, on all hosts, in one transaction each:

    leaving    when the port has left the old host
    arriving   when the port is there on the new host
    migrating  when the port is there; before, and until after the move,
               other_config:migrating:CA=PA has all packets go to both hosts

HNV_BENCH_MOVES says how often each is done, by default 6, every other time
back.  Nothing passes or fails here: machines differ, and on this one all
hosts, guests and switches share its processors.
"""

import contextlib
import os
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "utilities")]

# pylint: disable=wrong-import-position
from hnvlab import deliver, lab as hnv_lab, netns, ovsdb  # noqa: E402
from hnvlab import spec as lab_spec  # noqa: E402
from hnvlab.policy import (Network, Policy, Subnet, Vm,  # noqa: E402
                           braced, locator_uuid, row_uuid, switch_uuid,
                           update)

AGENT = os.environ.get("HNV_AGENT",
                       os.path.join(TOP, "build", "agent", "hnv-agent"))
MOVES = int(os.environ.get("HNV_BENCH_MOVES", "6"))
MODES = ("leaving", "arriving", "migrating")
INTERVAL = 0.001
SETTLE = 1.0
STALLED = 10
PORT = 7000
RECORD = struct.Struct("=Qd")

PAS = {"h1": "192.168.1.10", "h2": "192.168.2.20", "h3": "192.168.1.30"}
GATEWAYS = {5001: "10.1.1.1", 5002: "10.1.2.1"}
REPLY = re.compile(r"\[([0-9.]+)\] .*icmp_seq=(\d+) .*time=([0-9.]+) ms")


def vm(name, host, number, vsid=5001, next_host=None):
    third = vsid - 5000
    return Vm(name, host, f"{vsid:08x}-0000-4000-8000-{number:012x}",
              f"00:15:5d:00:{third:02x}:{number:02x}", vsid,
              [f"10.1.{third}.{number}"], next_host=next_host)


VMS = [vm("m", "h1", 11, next_host="h2"), vm("s1", "h1", 21),
       vm("s2", "h2", 22), vm("s3", "h3", 23, 5002), vm("c1", "h1", 31),
       vm("c2", "h2", 32), vm("c3", "h3", 33)]
BY_NAME = {v.name: v for v in VMS}
MOVER = BY_NAME["m"]
CA = MOVER.cas[0]
SENDERS = {"s1": "h1", "s2": "h2", "s3": "h3"}
OTHERS = ["c1", "c3"]


def description():
    return {
        "underlay": [{"subnet": "192.168.1.0/24", "gateway": "192.168.1.1"},
                     {"subnet": "192.168.2.0/24", "gateway": "192.168.2.1"}],
        "hosts": [{"name": h, "pa": [pa]} for h, pa in PAS.items()],
        "vms": [{"name": v.name, "host": v.host, "port": v.port, "mac": v.mac,
                 "ip": [f"{v.cas[0]}/24"], "gateway": GATEWAYS[v.vsid]}
                for v in VMS]}


def policy(encap):
    return Policy(hosts=PAS, vms=VMS, encap=encap,
                  router_mac="02:00:5e:00:00:fe",
                  networks=[Network("bench", [Subnet(5001, "10.1.1.0/24"),
                                              Subnet(5002, "10.1.2.0/24")])])


class Controller:
    """Connections to all agents, kept open as a controller's are."""

    def __init__(self, lab, encap):
        self.encap = encap
        self.hosts = lab.hosts
        for name, host in lab.hosts.items():
            deliver.deliver(host.remote, policy(encap).full(name))
        self.clients = {n: ovsdb.Client(h.remote)
                        for n, h in lab.hosts.items()}

    def close(self):
        for client in self.clients.values():
            client.close()

    def map_to(self, host):
        self._transact(update(
            "Ucast_Macs_Remote", row_uuid("mapping", MOVER.vsid, CA,
                                          MOVER.port),
            {"locator": ["uuid", locator_uuid(PAS[host], self.encap)]}))

    def migrate_to(self, host):
        """Starts to send m's packets to 'host' as well; None ends it."""
        pairs = [[f"migrating:{CA}", PAS[host]]] if host else []
        operation = update("Logical_Switch", switch_uuid(MOVER.vsid),
                           {"other_config": ["map", pairs]})
        for h in self.hosts.values():
            deliver.deliver(h.remote, [["ms_vtep", operation]])

    def _transact(self, operation):
        """To all hosts at once, as a controller's connections are."""
        jobs = [threading.Thread(target=c.transact,
                                 args=("ms_vtep", operation))
                for c in self.clients.values()]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()


class Watch(threading.Thread):
    """Follows a table of a database; 'on_change' is told when what 'read'
    says of its rows, true or false, changes, and when that was."""

    def __init__(self, remote, db, table, columns, read, on_change):
        super().__init__()
        self.client = ovsdb.Client(remote)
        self.table, self.read, self.on_change = table, read, on_change
        self.going = True
        first = self.client.call("monitor", [
            db, "w", {table: {"columns": columns}}])
        self.state = self._state_after(first, False)
        self.start()

    def run(self):
        while self.going:
            try:
                note = self.client.notification(time.monotonic() + 0.1)
            except ovsdb.OvsdbTimeout:
                continue
            now = time.time()
            state = self._state_after(note["params"][1], self.state)
            if state != self.state:
                self.state = state
                self.on_change(state, now)

    def close(self):
        self.going = False
        self.join()
        self.client.close()

    def _state_after(self, changes, state):
        for change in changes.get(self.table, {}).values():
            said = self.read(change.get("old", {}), change.get("new"))
            state = state if said is None else said
        return state


def watch_switch(host, port, on_change):
    """Whether the host's switch has the port."""
    def read(old, new):
        if (new or old).get("name") != port:
            return None
        return bool(new) and isinstance(new["ofport"], int)
    return Watch(host.switch.remote, "Open_vSwitch", "Interface",
                 ["name", "ofport"], read, on_change)


def watch_agent(host, port, on_change):
    """Whether the host's agent has told the switch to serve the port."""
    def read(_, new):
        if not new or new["name"] != braced(port):
            return None
        return ["state", "active"] in new["status"][1]
    return Watch(host.remote, "ms_vtep", "Physical_Port", ["name", "status"],
                 read, on_change)


class Ping:
    """1,000 pings per second from a guest, by the system's own tool."""

    def __init__(self, lab, source, to):
        self.out = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            netns.command(lab.guest(source).namespace,
                          ["ping", "-n", "-D", f"-i{INTERVAL}", to]),
            stdout=self.out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL)

    def end(self):
        """{sequence number: when it was sent} of those that were answered.
        """
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.out.seek(0)
        found = filter(None, map(REPLY.match, self.out))
        sent = {int(f[2]): float(f[1]) - float(f[3]) / 1e3 for f in found}
        self.out.close()
        return sent


def gap_ms(sent, start, end):
    """The longest time between answered pings, of those around the time from
    'start' to 'end'."""
    times = [t for t in sorted(sent.values())
             if start - SETTLE / 2 < t < end + SETTLE / 2]
    return max((b - a for a, b in zip(times, times[1:])), default=0) * 1e3


def lost(sent):
    return max(sent) - min(sent) + 1 - len(sent) if sent else -1


class Stream:
    """A TCP connection from s3 to m, one record per millisecond."""

    def __init__(self, lab):
        with netns.entered(lab.guest("m").namespace):
            listener = socket.create_server((CA, PORT))
        with netns.entered(lab.guest("s3").namespace):
            self.out = socket.create_connection((CA, PORT), 10)
        self.out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.into, _ = listener.accept()
        listener.close()
        for end in (self.out, self.into):
            end.settimeout(STALLED)
        self.going, self.n, self.pause, self.wrong = True, 0, 0.0, False
        self.threads = [threading.Thread(target=t)
                        for t in (self._send, self._receive)]
        for t in self.threads:
            t.start()

    def end(self):
        """(records received, longest pause in ms, whether all were whole)."""
        self.going = False
        for t in self.threads:
            t.join()
        self.into.close()
        return self.n, self.pause * 1e3, not self.wrong

    def _send(self):
        number = 0
        with contextlib.suppress(OSError):
            while self.going:
                self.out.sendall(RECORD.pack(number, time.time()))
                number += 1
                time.sleep(INTERVAL)
        self.out.close()

    def _receive(self):
        data, last = b"", time.time()
        while True:
            try:
                more = self.into.recv(65536)
            except OSError:
                self.wrong = True
                return
            now = time.time()
            self.pause, last = max(self.pause, now - last), now
            if not more:
                return
            data += more
            while len(data) >= RECORD.size:
                self.wrong |= RECORD.unpack_from(data)[0] != self.n
                self.n += 1
                data = data[RECORD.size:]


class Move:
    """One move of m, with everything running."""

    def __init__(self, lab, controller, mode):
        self.lab, self.controller, self.mode = lab, controller, mode
        self.guest = lab.guest("m")
        self.source = self.guest.vm.host
        self.target = {"h1": "h2", "h2": "h1"}[self.source]
        self.gone = self.there = self.served = None
        self.changes = []

    def run(self):
        watches = [watch_switch(self.lab.host(self.source), self.guest.port,
                                self._at_source),
                   watch_switch(self.lab.host(self.target), self.guest.port,
                                self._at_target),
                   watch_agent(self.lab.host(self.target), MOVER.port,
                               self._served)]
        if self.mode == "migrating":
            self.controller.migrate_to(self.target)
        pings = {s: Ping(self.lab, s, CA) for s in SENDERS}
        others = [Ping(self.lab, c, BY_NAME["c2"].cas[0]) for c in OTHERS]
        stream = Stream(self.lab)
        time.sleep(SETTLE)
        self.lab.move(self.guest, self.lab.host(self.target))
        time.sleep(SETTLE)
        if self.mode == "migrating":
            self.controller.migrate_to(None)
            time.sleep(SETTLE / 4)
        for change in self.changes:
            change.join()
        sent = {s: p.end() for s, p in pings.items()}
        other = [p.end() for p in others]
        result = {
            "absent": (self.there - self.gone) * 1e3,
            "agent": (self.served - self.there) * 1e3,
            "dark": {s: gap_ms(t, self.gone, self.there)
                     for s, t in sent.items()},
            "lost": [lost(s) for s in other],
            "others": sum(map(len, other)),
            "stream": stream.end(),
            "from": self.source,
        }
        for watch in watches:
            watch.close()
        return result

    def _at_source(self, present, now):
        if not present:
            self.gone = now
            if self.mode == "leaving":
                self._map()

    def _at_target(self, present, now):
        if present:
            self.there = now
            if self.mode != "leaving":
                self._map()

    def _served(self, active, now):
        if active:
            self.served = now

    def _map(self):
        change = threading.Thread(target=self.controller.map_to,
                                  args=(self.target,))
        self.changes.append(change)
        change.start()


def idle_rtt(lab, source, to):
    """Median and worst of 200 pings, milliseconds, with nothing else on."""
    out = netns.run(netns.command(lab.guest(source).namespace, [
        "ping", "-n", "-c200", "-i0.005", to]))
    times = [float(t) for t in re.findall(r"time=([0-9.]+)", out)]
    return statistics.median(times), max(times)


@contextlib.contextmanager
def running_lab(name):
    lab = hnv_lab.build(name, lab_spec.from_json(description()),
                        hnv_lab.Programs(AGENT))
    try:
        yield lab
    finally:
        lab.down()


def roles(source):
    """The senders by where they are as seen from the move."""
    here = {host: s for s, host in SENDERS.items()}
    return {"old": here[source], "new": here[{"h1": "h2", "h2": "h1"}[source]],
            "third": here["h3"]}


def print_move(encap, mode, r):
    dark = [r["dark"][s] for s in roles(r["from"]).values()]
    n, pause, whole = r["stream"]
    print(f"{encap:6} {mode:10} {r['absent']:7.1f} {r['agent']:6.1f} "
          + " ".join(f"{d:7.1f}" for d in dark) + "  "
          + " ".join(f"{d - r['absent']:7.1f}" for d in dark)
          + f"  {pause:7.1f} {'whole' if whole and n else 'BROKEN':>6}"
          f"  {'+'.join(map(str, r['lost']))}", flush=True)


def print_summary(encap, mode, results):
    for role in ("old", "new", "third"):
        beyond = [r["dark"][roles(r["from"])[role]] - r["absent"]
                  for r in results]
        print(f"{encap:6} {mode:10} {role:6} {statistics.median(beyond):7.1f} "
              f"{max(beyond):7.1f}")


def print_losses(results):
    moves = [r for some in results.values() for r in some]
    print(f"\n{len(moves)} moves; of {sum(r['others'] for r in moves)} pings "
          f"between others {sum(sum(r['lost']) for r in moves)} were lost")


def main():
    results = {}
    print("Idle round trips to m, milliseconds, median and worst of 200")
    for encap in ("vxlan", "nvgre"):
        with running_lab(f"move{os.getpid()}") as lab:
            controller = Controller(lab, encap)
            for s in SENDERS:
                idle_rtt(lab, s, CA)
                rtt = idle_rtt(lab, s, CA)
                print(f"{encap:6} {s} on {SENDERS[s]}: {rtt[0]:.2f} "
                      f"{rtt[1]:.2f}")
            print(f"\nEach move, milliseconds; sender on the old host, the "
                  "new, the third\n"
                  f"{'':17} {'absent':>7} {'agent':>6} {'dark':^23}  "
                  f"{'beyond':^23}  "
                  f"{'pause':>7} {'stream':>6}  lost")
            for mode in MODES:
                for _ in range(MOVES):
                    r = Move(lab, controller, mode).run()
                    results.setdefault((encap, mode), []).append(r)
                    print_move(encap, mode, r)
            controller.close()
        print()
    print("Dark beyond the port's absence, milliseconds\n"
          f"{'':17} {'sender':6} {'median':>7} {'worst':>7}")
    for (encap, mode), r in results.items():
        print_summary(encap, mode, r)
    print_losses(results)


if __name__ == "__main__":
    main()
