#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures for mappings: loading many, changing one.

For each size the same rows, in the same transactions, go to a stock
ovsdb-server and to the agent of a lab's host, whose switch is a real
ovs-vswitchd; and, if HNV_VSWITCHD names one, to an agent whose switch has the
datapath extension.  The agent's time counts until cur_cfg says that the
switch has all of it.  Then single mappings are added, moved and deleted, one
at a time, and timed from the request to cur_cfg; next to it, the same
requests answered by the stock ovsdb-server, which has no switch to tell.

Sizes: HNV_BENCH_SIZES, by default 10000,100000,300000.  Nothing passes or
fails here: machines differ.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "utilities")]

# pylint: disable=wrong-import-position
from hnvlab import lab as hnv_lab, netns, ovsdb  # noqa: E402
from hnvlab import spec as lab_spec  # noqa: E402

BATCH = 10000
SINGLE_CHANGES = 200
N_PAS = 100
VSID = 5001
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
AGENT = os.environ.get("HNV_AGENT",
                       os.path.join(TOP, "build", "agent", "hnv-agent"))
SCHEMA = os.path.join(TOP, "schema", "ms_vtep.ovsschema")

LAB = {
    "underlay": [{"subnet": "192.168.1.0/24", "gateway": "192.168.1.1"}],
    "hosts": [{"name": "h1", "pa": ["192.168.1.10"]}],
    "vms": [{"name": "vm1", "host": "h1",
             "port": "00000000-0000-4000-8000-000000000001",
             "mac": "00:15:5d:00:00:01", "ip": ["10.0.0.1/8"]}],
}


def sizes():
    return [int(s) for s in os.environ.get(
        "HNV_BENCH_SIZES", "10000,100000,300000").split(",")]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * PAGE / 2**20


def address(i):
    """Customer address number 'i'; number 0 is 10.1.0.0."""
    n = (10 << 24) + (1 << 16) + i
    return ".".join(str(n >> s & 255) for s in (24, 16, 8, 0))


def mac(i):
    return "02:00:" + ":".join(f"{i >> s & 255:02x}" for s in (24, 16, 8, 0))


def network():
    """The subnet, the locators, and one mapping at each of them (which
    keeps it alive); 'uuids' of what later operations refer to."""
    operations = [
        {"op": "insert", "table": "Logical_Switch", "uuid-name": "ls",
         "row": {"name": "bench", "tunnel_key": VSID}},
        {"op": "insert", "table": "Logical_Router",
         "row": {"name": "bench", "enable_logical_router": True,
                 "switch_binding":
                     ["map", [["10.0.0.0/8", ["named-uuid", "ls"]]]]}}]
    for i in range(N_PAS):
        operations += [
            {"op": "insert", "table": "Physical_Locator",
             "uuid-name": f"pa{i}",
             "row": {"dst_ip": f"192.168.7.{i + 1}",
                     "encapsulation_type": "vxlan_over_ipv4"}},
            insert_mapping(1000 - i, ["named-uuid", "ls"],
                           ["named-uuid", f"pa{i}"], "10.0.1.%d" % (i + 1))]
    return operations


def insert_mapping(i, switch, locator, ca=None):
    return {"op": "insert", "table": "Ucast_Macs_Remote",
            "row": {"MAC": mac(i + 1000), "ipaddr": ca or address(i),
                    "logical_switch": switch, "locator": locator,
                    "mapping_type": "default"}}


class Database:
    """An OVSDB server with the network in it, and process 'pid'."""

    def __init__(self, remote, pid):
        self.pid = pid
        self.client = ovsdb.Client(remote, timeout=120)
        results = self.client.transact("ms_vtep", *network())
        self.switch = results[0]["uuid"]
        self.locators = [r["uuid"] for r in results[2::2]]

    def mapping(self, i, to=0):
        return insert_mapping(i, self.switch,
                              self.locators[(i + to) % N_PAS])

    def load(self, first, last):
        for start in range(first, last, BATCH):
            end = min(start + BATCH, last)
            self.client.transact("ms_vtep", *(self.mapping(i)
                                              for i in range(start, end)))


RAISE = {"op": "mutate", "table": "Global", "where": [],
         "mutations": [["next_cfg", "+=", 1]]}
READ = {"op": "select", "table": "Global", "where": [],
        "columns": ["next_cfg"]}


class Agent(Database):
    """The same, with a switch behind it that acknowledges."""

    def __init__(self, host):
        super().__init__(host.remote, host.agent.pid())
        self.host = host
        self.vswitchd = host.switch.vswitchd.pid()
        self.client.call("monitor", ["ms_vtep", "cfg", {
            "Global": {"columns": ["cur_cfg"]}}])

    def commit(self, *operations):
        """Sends them with a raised next_cfg, returns their results once the
        switch has them."""
        results = self.client.transact("ms_vtep", *operations, RAISE, READ)
        wanted = results[-1]["rows"][0]["next_cfg"]
        seen = 0
        while seen < wanted:
            note = self.client.notification(time.monotonic() + 120)
            for row in note["params"][1].get("Global", {}).values():
                seen = row["new"].get("cur_cfg", seen)
        return results

    def flows(self):
        text = netns.run(netns.command(self.host.namespace, [
            "env", *(f"{k}={v}" for k, v in self.host.env().items()),
            "ovs-ofctl", "dump-aggregate", "br-int"]))
        return int(text.rpartition("flow_count=")[2])


def timed_ms(action, *args):
    """How long it took, and what it returned."""
    start = time.perf_counter()
    result = action(*args)
    return (time.perf_counter() - start) * 1e3, result


def single_changes(database, first, commit):
    """Times of adding, moving and deleting single mappings, milliseconds."""
    times = {"add": [], "move": [], "delete": []}
    for i in range(first, first + SINGLE_CHANGES):
        ms, results = timed_ms(commit, database.mapping(i))
        times["add"].append(ms)
        where = [["_uuid", "==", results[0]["uuid"]]]
        ms, _ = timed_ms(commit, {
            "op": "update", "table": "Ucast_Macs_Remote", "where": where,
            "row": {"locator": database.locators[(i + 1) % N_PAS]}})
        times["move"].append(ms)
        ms, _ = timed_ms(commit, {
            "op": "delete", "table": "Ucast_Macs_Remote", "where": where})
        times["delete"].append(ms)
    return times


@contextlib.contextmanager
def stock_server():
    folder = tempfile.mkdtemp(prefix="hnv-bench-")
    try:
        subprocess.run(["ovsdb-tool", "create", f"{folder}/db", SCHEMA],
                       check=True)
        process = subprocess.Popen(
            ["ovsdb-server", f"--remote=punix:{folder}/sock",
             f"--unixctl={folder}/ctl", "-vconsole:off", "-vsyslog:off",
             f"{folder}/db"])
        try:
            while not os.path.exists(f"{folder}/sock"):
                if process.poll() is not None:
                    raise SystemExit("ovsdb-server did not start")
                time.sleep(0.01)
            yield f"unix:{folder}/sock", process.pid
        finally:
            process.terminate()
            process.wait()
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def agent_host(*args, **switch):
    lab = hnv_lab.build(f"bench{os.getpid()}", lab_spec.from_json(LAB),
                        hnv_lab.Programs(AGENT, list(args), **switch))
    try:
        yield lab.host("h1")
    finally:
        lab.down()


def measure_stock(size):
    with stock_server() as (remote, pid):
        database = Database(remote, pid)
        cpu = cpu_seconds(pid)
        wall_ms, _ = timed_ms(database.load, 0, size)
        result = {"wall": wall_ms / 1e3, "cpu": cpu_seconds(pid) - cpu,
                  "mib": resident_mib(pid)}
        result["single"] = single_changes(
            database, size,
            lambda *ops: database.client.transact("ms_vtep", *ops))
        return result


def measure_agent(size, *args, **switch):
    with agent_host(*args, **switch) as host:
        agent = Agent(host)
        agent.commit()
        flows = agent.flows()
        cpu, switch_cpu = cpu_seconds(agent.pid), cpu_seconds(agent.vswitchd)

        def load():
            agent.load(0, size)
            agent.commit()

        wall_ms, _ = timed_ms(load)
        result = {"wall": wall_ms / 1e3, "cpu": cpu_seconds(agent.pid) - cpu,
                  "mib": resident_mib(agent.pid),
                  "switch_cpu": cpu_seconds(agent.vswitchd) - switch_cpu,
                  "switch_mib": resident_mib(agent.vswitchd),
                  "flows": (agent.flows() - flows) / size}
        result["single"] = single_changes(agent, size, agent.commit)
        return result


def print_load(name, size, r, stock):
    line = (f"{name:16} {size:8d} {r['wall']:8.2f} {r['cpu']:8.2f} "
            f"{r['cpu'] / size * 1e6:9.1f} {r['mib']:8.0f}")
    if r is not stock:
        line += (f" {r['cpu'] / stock['cpu']:7.2f} {r['switch_cpu']:9.2f} "
                 f"{r['switch_mib']:9.0f} {r['flows']:7.2f}")
    print(line, flush=True)


def print_single(name, size, single):
    for what, times in single.items():
        print(f"{name:16} {size:8d} {what:8} {statistics.median(times):9.3f} "
              f"{sorted(times)[len(times) * 99 // 100]:9.3f} "
              f"{max(times):9.3f}", flush=True)


def main():
    servers = {
        "ovsdb-server": measure_stock,
        "hnv-agent": measure_agent,
        "  --no-durable": lambda size: measure_agent(size, "--no-durable"),
    }
    extended = os.environ.get("HNV_VSWITCHD")
    if extended:
        servers["  hnv backend"] = lambda size: measure_agent(
            size, vswitchd=extended, backend="hnv")
    results = {}
    print("Loading mappings, in transactions of "
          f"{BATCH}; the agent's until the switch has them\n")
    print(f"{'server':16} {'mappings':>8} {'wall s':>8} {'CPU s':>8} "
          f"{'us/mapping':>9} {'MiB':>7} {'x stock':>7} {'switch s':>9} "
          f"{'switchMiB':>9} {'flows/m':>7}")
    for size in sizes():
        for name, measure in servers.items():
            r = results[name, size] = measure(size)
            print_load(name, size, r, results["ovsdb-server", size])
    print("\nOne mapping changed, milliseconds from request to answer "
          "(ovsdb-server) or\nto cur_cfg (hnv-agent), "
          f"{SINGLE_CHANGES} times each\n")
    print(f"{'server':16} {'mappings':>8} {'change':8} {'median':>9} "
          f"{'99%':>9} {'worst':>9}")
    for (name, size), r in results.items():
        print_single(name, size, r["single"])
    if os.environ.get("HNV_BENCH_JSON"):
        with open(os.environ["HNV_BENCH_JSON"], "w", encoding="utf-8") as f:
            json.dump([{"server": n.strip(), "size": s, **r}
                       for (n, s), r in results.items()], f)


if __name__ == "__main__":
    main()
