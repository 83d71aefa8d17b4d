# SPDX-License-Identifier: Apache-2.0
"""hnv-lab, as a person uses it."""

import copy
import json
import os
import re
import subprocess

import pytest
from scapy.utils import rdpcap

import world as w
from conftest import TOP, agent_path
from wire import Outer, is_tunnelled

TOOL = os.path.join(TOP, "utilities", "hnv-lab")
NAME = f"u{os.getpid()}"
VMS = [v for v in w.VMS if v.name in ("a1", "a3")]
POLICY = w.policy(vms=VMS)


def run(*words, name=NAME, stdin=None, env=None):
    return subprocess.run(
        [TOOL, "--name", name, *map(str, words)], text=True, timeout=60,
        input=stdin, capture_output=True, check=False,
        env={**os.environ, "HNV_AGENT": agent_path(), **(env or {})})


def ok(*words, **kwargs):
    done = run(*words, **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(*words, **kwargs):
    done = run(*words, **kwargs)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def traces(name):
    """What there is of a lab: namespaces, folder, processes."""
    namespaces = [n for n in os.listdir("/run/netns")
                  if n.startswith(f"{name}.")]
    folder = [f"/run/hnv-lab/{name}"]
    processes = subprocess.run(
        ["pgrep", "-f", f"/run/hnv-lab/{name}/"], text=True, check=False,
        capture_output=True).stdout.split()
    return namespaces + [f for f in folder if os.path.exists(f)] + processes


def root_namespace():
    return [subprocess.run(["ip", *words], text=True, check=True,
                           capture_output=True).stdout
            for words in (["-br", "link"], ["-br", "addr"], ["route"],
                          ["-6", "route"], ["rule"])]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    (folder / "lab.json").write_text(json.dumps(w.description(VMS)))
    for host in ("h1", "h2"):
        (folder / f"{host}.json").write_text(json.dumps(POLICY.full(host)))
    return folder


@pytest.fixture(scope="module")
def lab(files):
    """A lab that is up and has its policy; nothing of it is left behind."""
    before = root_namespace()
    ok("up", files / "lab.json")
    for host in ("h1", "h2"):
        ok("policy", host, files / f"{host}.json")
    yield NAME
    ok("down")
    assert not traces(NAME)
    assert root_namespace() == before


def broken(change):
    description = copy.deepcopy(w.description(VMS))
    change(description)
    return description


@pytest.mark.parametrize("change, words", [
    (lambda d: d["hosts"][1]["pa"].__setitem__(0, "192.168.1.300"),
     ["hosts[1].pa[0]", "192.168.1.300"]),
    (lambda d: d["hosts"][0].pop("name"), ["hosts[0]", "name"]),
    (lambda d: d["hosts"][0].update(pa=["203.0.113.1"]), ["hosts[0].pa[0]"]),
    (lambda d: d["hosts"][1].update(name="h1"), ["hosts[1].name", "h1"]),
    (lambda d: d["vms"][1].update(host="nowhere"),
     ["vms[1].host", "nowhere"]),
    (lambda d: d["vms"][0].update(mac="00:15"), ["vms[0].mac", "00:15"]),
    (lambda d: d["vms"][0].update(ip=["10.1.1.11/99"]), ["vms[0].ip"]),
    (lambda d: d["vms"][0].update(gateway=["2001:db8::1"]),
     ["vms[0].gateway[0]", "2001:db8::1"]),
    (lambda d: d["vms"][0].update(port="x y"), ["vms[0].port"]),
    (lambda d: d["vms"][1].update(port=d["vms"][0]["port"]),
     ["vms[1].port"]),
    (lambda d: d["underlay"][0].update(gateway="10.9.9.9"),
     ["underlay[0].gateway", "10.9.9.9"]),
    (lambda d: d["underlay"][0].update(vlan=5000), ["underlay[0].vlan"]),
    (lambda d: d.update(guests=[]), ["guests"]),
    (lambda d: d.update(vms="many"), ["vms"])])
def test_a_mistake_in_the_file_is_named_by_field(tmp_path, change, words):
    path = tmp_path / "lab.json"
    path.write_text(json.dumps(broken(change)))
    error = fails("up", path, name=f"{NAME}bad")
    for word in words:
        assert word in error, error
    assert not traces(f"{NAME}bad")


def test_a_file_that_is_no_json_or_not_there(tmp_path):
    path = tmp_path / "lab.json"
    path.write_text('{"underlay": [,]}')
    assert "line 1" in fails("up", path, name=f"{NAME}bad")
    assert "nofile" in fails("up", tmp_path / "nofile", name=f"{NAME}bad")
    assert not traces(f"{NAME}bad")


def test_an_agent_that_is_not_there_is_said_and_leaves_nothing(files):
    error = fails("up", files / "lab.json", name=f"{NAME}bad",
                  env={"HNV_AGENT": "/nonexistent/hnv-agent"})
    assert "/nonexistent/hnv-agent" in error
    assert not traces(f"{NAME}bad")


def test_an_agent_that_ends_at_once_leaves_nothing(files):
    fails("up", files / "lab.json", name=f"{NAME}bad",
          env={"HNV_AGENT": "/bin/false"})
    assert not traces(f"{NAME}bad")


def test_there_is_one_lab_of_a_name(lab, files):
    assert "exists already" in fails("up", files / "lab.json")
    ok("exec", "a1", "--", "true")


def test_what_is_not_there_is_said():
    assert "no lab" in fails("down", name=f"{NAME}none")
    assert "no lab" in fails("show", name=f"{NAME}none")


def test_members_that_are_not_there_are_said(lab):
    assert '"h9"' in fails("db", "h9")
    assert '"a9"' in fails("exec", "a9", "--", "true")


def test_exec_is_the_command_itself(lab):
    assert run("exec", "a1", "--", "sh", "-c", "exit 7").returncode == 7
    assert ok("exec", "a1", "--", "cat", stdin="hello") == "hello"
    assert "10.1.1.11" in ok("exec", "a1", "--", "ip", "-4", "addr")
    ok("exec", "a1", "--", "ping", "-n", "-c1", "-w10", "10.1.1.13")


def test_on_a_host_the_tools_talk_to_its_switch(lab):
    assert "br-int" in ok("host", "h1", "--", "ovs-vsctl", "list-br")
    assert "actions=" in ok("host", "h1", "--", "ovs-ofctl", "dump-flows",
                            "br-int")
    assert "br-int" in ok("host", "h1", "--", "ovs-appctl", "dpif/show")
    status = ok("host", "h1", "--", "ovs-appctl", "-t", "hnv-agent",
                "hnv/status")
    assert "state: steady" in status
    assert "table=ADMIT" in ok("host", "h1", "--", "ovs-appctl", "-t",
                               "hnv-agent", "hnv/plan")
    assert run("host", "h1", "--", "false").returncode == 1


def test_db_is_the_agents_remote(lab):
    remote = ok("db", "h1").strip()
    names = subprocess.run(["ovsdb-client", "list-dbs", remote], text=True,
                           check=True, capture_output=True).stdout.split()
    assert {"ms_vtep", "ms_firewall", "ms_service_insertion",
            "ms_darv"} <= set(names)


def test_show_tells_who_is_where(lab):
    text = ok("show")
    for word in ("192.168.1.0/24", "h1", "192.168.2.20", "a3", "10.1.1.13",
                 w.mac("a3")):
        assert word in text
    assert {"a1", "a3"} == {
        v["name"] for v in json.loads(ok("show", "--json"))["vms"]}


def host_of(vm):
    return next(v["host"] for v in json.loads(ok("show", "--json"))["vms"]
                if v["name"] == vm)


def port_of(host, vm):
    """The guest's port as its host's switch has it; "" if it has none."""
    return ok("host", host, "--", "ovs-vsctl", "--bare",
              "--columns=ofport,external_ids", "find", "Interface",
              f"external_ids:vm-name={vm}").strip()


def test_a_moved_guest_stays_alive(lab):
    """A process in it sees the same interface before and after."""
    look = "ip -4 -o addr show eth0"
    with subprocess.Popen(
            [TOOL, "--name", NAME, "exec", "a3", "--", "sh", "-c",
             f"{look}; read x; {look}"], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE) as process:
        before = process.stdout.readline()
        assert ok("move", "a3", "h1") == ""
        after, _ = process.communicate("\n", timeout=30)
    assert process.returncode == 0
    assert "10.1.1.13/24" in before and after == before
    assert host_of("a3") == "h1" and not port_of("h2", "a3")
    ofport, ids = port_of("h1", "a3").split("\n", 1)
    assert int(ofport) > 0
    assert w.BY_NAME["a3"].port in ids and w.mac("a3") in ids

    assert "already" in fails("move", "a3", "h1")
    text = ok("move", "--timing", "a3", "h2")
    assert re.fullmatch(r"without a port for \d+\.\d ms\n", text)
    assert host_of("a3") == "h2" and not port_of("h1", "a3")
    ok("exec", "a1", "--", "ping", "-n", "-c1", "-i0.1", "-w10", "10.1.1.13")


def test_a_move_that_cannot_be_is_said_and_nothing_moves(lab):
    assert '"a9"' in fails("move", "a9", "h1")
    assert '"h9"' in fails("move", "a3", "h9")
    ok("switch", "h1", "stop")
    assert "h1's ovs-vswitchd" in fails("move", "a3", "h1")
    assert "h1's ovs-vswitchd" in fails("move", "a1", "h2")
    ok("switch", "h1", "start")
    assert host_of("a3") == "h2" and int(port_of("h2", "a3").split()[0]) > 0


def test_policy_stops_at_the_first_that_fails(lab, tmp_path):
    path = tmp_path / "policy.json"
    insert = {"op": "insert", "table": "IP_Addresses", "row": {}}
    switch = {"op": "insert", "table": "Switches"}
    path.write_text(json.dumps([
        ["ms_darv", {**switch, "row": {"name": "first"}}],
        ["ms_darv", insert, {"op": "insert", "table": "Nothing", "row": {}}],
        ["ms_darv", {**switch, "row": {"name": "third"}}]]))
    error = fails("policy", "h1", path)
    assert "transaction 2 of 3" in error and "operation 2" in error
    assert "No table named Nothing" in error
    remote = ok("db", "h1").strip()
    rows = subprocess.run(
        ["ovsdb-client", "dump", remote, "ms_darv", "Switches", "name"],
        text=True, check=True, capture_output=True).stdout
    assert "first" in rows and "third" not in rows


@pytest.mark.parametrize("text, word", [
    ("{}", "array"), ("[1]", "[0]"), ('[["ms_vtep", 5]]', "[0][1]"),
    ("[[", "line 1")])
def test_policy_files_are_checked_first(lab, text, word):
    assert word in fails("policy", "h1", "-", stdin=text)


def test_policy_does_not_wait_forever(lab):
    ok("switch", "h2", "stop")
    try:
        error = fails("policy", "h2", "-", "--timeout", 1,
                      stdin='[["ms_vtep"]]')
        assert "after 1 s" in error and "cur_cfg" in error
    finally:
        ok("switch", "h2", "start")
    ok("policy", "h2", "-", stdin='[["ms_vtep"]]')
    ok("exec", "a1", "--", "ping", "-n", "-c1", "-w10", "10.1.1.13")


def test_capture_has_the_packets_on_the_wire(lab, tmp_path):
    path = tmp_path / "h1.pcap"
    with subprocess.Popen(
            [TOOL, "--name", NAME, "capture", "h1", str(path)], text=True,
            stderr=subprocess.PIPE) as process:
        assert "listening" in process.stderr.readline()
        ok("exec", "a1", "--", "ping", "-n", "-c2", "-i0.1", "10.1.1.13")
        process.terminate()
        process.wait(timeout=10)
    outers = [Outer(p) for p in rdpcap(str(path)) if is_tunnelled(p)]
    assert len(outers) >= 4
    assert {o.vni for o in outers} == {5001}


def test_two_labs_stand_side_by_side(lab, files):
    """From the same file, with the same addresses."""
    other = f"{NAME}two"
    ok("up", files / "lab.json", name=other)
    try:
        for host in ("h1", "h2"):
            ok("policy", host, files / f"{host}.json", name=other)
        for name in (other, NAME):
            ok("exec", "a1", "--", "ping", "-n", "-c1", "-w10", "10.1.1.13",
               name=name)
    finally:
        ok("down", name=other)
    assert not traces(other)
    ok("exec", "a1", "--", "ping", "-n", "-c1", "-w10", "10.1.1.13")


def test_a_killed_agent_can_be_started_again(lab):
    ok("agent", "h1", "kill")
    ok("exec", "a1", "--", "ping", "-n", "-c1", "-w10", "10.1.1.13")
    ok("agent", "h1", "start")
    ok("policy", "h1", "-", stdin='[["ms_vtep"]]')
