# SPDX-License-Identifier: Apache-2.0
"""What concerns the host and not the policy: Open vSwitch's database as the
place of settings, ports that change under the agent, real connections."""

import os
import random
import socket
import subprocess
import threading
import time

import pytest

from hnvlab import deliver, netns

import world as w


@pytest.fixture
def world(make_lab):
    return w.World(make_lab(w.description()), w.policy())


def status_of(world, guest):
    port = w.BY_NAME[guest].port
    (row,) = [r for r in world.rows(w.BY_NAME[guest].host, "Physical_Port",
                                    ["name", "status"]) if port in r["name"]]
    return dict(row["status"][1])


def set_interface(world, guest, *settings):
    """ovs-vsctl returns once the switch has it; what the agent makes of it is
    there with the next acknowledgement."""
    host = world.lab.host(w.BY_NAME[guest].host)
    host.switch.vsctl(*[[*s[:1], "Interface", f"v-{guest}", *s[1:]]
                        for s in settings])
    world.transact(host.name)


def logged(world, host, text, seconds=1):
    """Whether the agent's log has 'text', or gets it in time."""
    for _ in range(20 * seconds):
        with open(world.lab.host(host).agent.logfile, encoding="utf-8") as f:
            if text in f.read():
                return True
        time.sleep(0.05)
    return False


def test_iface_id_and_mac_are_read_in_any_spelling(world):
    guid = w.BY_NAME["a1"].port.upper()
    set_interface(
        world, "a1",
        ["set", f'external_ids:iface-id="{{{guid}}}"',
         'external_ids:attached-mac="00-15-5D-00-01-01"'])
    assert status_of(world, "a1")["vm_nic_macaddress"] == w.mac("a1")
    world.ping_soon("a1", w.ca("a3"))


def test_a_port_without_its_guests_mac_is_blocked_and_says_so(world):
    set_interface(world, "a1", ["remove", "external_ids", "attached-mac"])
    status = status_of(world, "a1")
    assert status["state"] == "blocked"
    assert "attached-mac" in status["detail"]
    world.ping("a2", w.ca("a3"))
    set_interface(world, "a1",
                  ["set", f'external_ids:attached-mac="{w.mac("a1")}"'])
    assert status_of(world, "a1")["state"] == "active"
    world.ping_soon("a1", w.ca("a3"))


def test_another_bridge_takes_over(world):
    """hnv-bridge changes while the agent runs: the new bridge is made and
    programmed, the old one left alone."""
    host = world.lab.host("h1")
    host.switch.vsctl(["set", "Open_vSwitch", ".",
                       "external_ids:hnv-bridge=br-other"])
    host.switch.vsctl(["wait-until", "Bridge", "br-other",
                       "fail_mode=secure"])
    for guest in ("a1", "a2"):
        v = w.BY_NAME[guest]
        host.switch.vsctl(
            ["del-port", "br-int", f"v-{guest}"],
            ["add-port", "br-other", f"v-{guest}"],
            ["set", "Interface", f"v-{guest}",
             f'external_ids:iface-id="{v.port}"',
             f'external_ids:attached-mac="{v.mac}"'])
    deliver.deliver(host.remote, [["ms_vtep"]])
    world.ping_soon("a1", w.ca("a2"))
    world.ping_soon("a1", w.ca("a3"))
    assert "br-int" in world.on_host("h1", "ovs-vsctl", "list-br")


def test_a_bridge_that_the_switch_cannot_make_is_told(world):
    """As when there is no kernel module."""
    host = world.lab.host("h1")
    host.switch.vsctl(["set", "Open_vSwitch", ".",
                       "external_ids:hnv-bridge=br-no",
                       "external_ids:hnv-datapath-type=nonsense"],
                      options=["--no-wait"])
    assert logged(world, "h1", "bridge br-no: Open vSwitch does not make it",
                  seconds=10)
    host.switch.vsctl(["set", "Open_vSwitch", ".",
                       "external_ids:hnv-datapath-type=netdev"])
    assert logged(world, "h1", "bridge br-no: Open vSwitch has made it")


def test_a_name_that_no_bridge_can_have_is_refused(world):
    """It is told once, and the bridge stays what it was."""
    host = world.lab.host("h1")
    before = len(world.flows("h1"))
    bad = ["a/b", "br-sixteen-chars", "..", "hnv-vxlan", "br int"]
    for name in bad:
        host.switch.vsctl(["set", "Open_vSwitch", ".",
                           f'external_ids:hnv-bridge="{name}"'])
        assert logged(world, "h1", f'hnv-bridge "{name}" cannot be'), name
        assert logged(world, "h1", "the integration bridge is still br-int")
    world.transact("h1")
    bridges = world.on_host("h1", "ovs-vsctl", "list-br").split()
    assert "br-int" in bridges and not set(bridges) & set(bad)
    assert len(world.flows("h1")) == before
    with open(host.agent.logfile, encoding="utf-8") as f:
        assert f.read().count("cannot be the name") == len(bad)
    host.switch.vsctl(["remove", "Open_vSwitch", ".", "external_ids",
                       "hnv-bridge"])
    for name in [*bad, ""]:
        done = subprocess.run(
            [host.agent.args[0], f"--bridge={name}", "--no-chdir",
             "--run-dir=/nonexistent", "--ovsdb=unix:/nonexistent"],
            capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 1
        assert f'--bridge: "{name}" cannot be' in done.stderr


def options_of(world, port):
    text = world.on_host("h1", "ovs-vsctl", "get", "Interface", port,
                         "options")
    return dict(pair.split("=", 1) for pair in
                text.strip().strip("{}").replace('"', "").split(", "))


FLOW_OPTIONS = {"key": "flow", "local_ip": "flow", "remote_ip": "flow"}


@pytest.mark.parametrize("port, encap, harm, harmless", [
    ("hnv-vxlan", "vxlan",
     {"dst_port": "5000", "exts": "gbp", "in_key": "7", "out_key": "8",
      "packet_type": "ptap", "remote_ip": "192.0.2.9", "key": "9"},
     {"dst_port": "4789", "csum": "true", "tos": "inherit", "ttl": "32",
      "df_default": "false"}),
    ("hnv-nvgre", "nvgre",
     {"csum": "true", "seq": "true", "packet_type": "legacy_l3",
      "in_key": "7", "out_key": "8", "local_ip": "192.0.2.9"},
     {"csum": "false", "tos": "inherit", "ttl": "32"})])
def test_a_tunnel_port_that_was_changed_is_put_right(make_lab, port, encap,
                                                     harm, harmless):
    """Whatever would change what is on the wire, and nothing else."""
    world = w.World(make_lab(w.description()), w.policy(encap))
    host = world.lab.host("h1")

    def set_options(options):
        host.switch.vsctl(["set", "Interface", port,
                           *[f"options:{k}={v}" for k, v in options.items()]])

    for key, value in harm.items():
        set_options({key: value})
        for _ in range(100):
            if options_of(world, port) == FLOW_OPTIONS:
                break
            time.sleep(0.05)
        assert options_of(world, port) == FLOW_OPTIONS, key
    set_options({**harm, **harmless})
    for _ in range(100):
        if options_of(world, port) == {**FLOW_OPTIONS, **harmless}:
            break
        time.sleep(0.05)
    assert options_of(world, port) == {**FLOW_OPTIONS, **harmless}
    assert logged(world, "h1", f"tunnel port {port} was changed")
    world.transact("h1")
    world.ping_soon("a1", w.ca("a3"))
    assert options_of(world, port) == {**FLOW_OPTIONS, **harmless}


def list_databases(world, host, remote):
    """Connects until somebody listens there."""
    h = world.lab.host(host)
    return netns.run(netns.command(h.namespace, [
        "sh", "-c", f"for i in $(seq 100); do ovsdb-client list-dbs {remote} "
        "2>/dev/null && exit 0; sleep 0.1; done; exit 1"]))


def set_remotes(world, value):
    world.lab.host("h1").switch.vsctl(
        ["set", "Open_vSwitch", ".", f'external_ids:hnv-remotes="{value}"'])


def test_remotes_are_a_setting(world):
    """Separated by spaces, "db:" ones too.  One that makes no sense is told,
    and does not keep the others."""
    host = world.lab.host("h1")
    assert "ms_vtep" in list_databases(world, "h1", "tcp:127.0.0.1:6641")
    set_remotes(world, "garbage db:ms_vtep,Manager,target "
                "db:ms_vtep,Nonesuch,target ptcp:7777:127.0.0.1")
    assert "ms_vtep" in list_databases(world, "h1", "tcp:127.0.0.1:7777")
    assert logged(world, "h1", 'remote "garbage" is of no known kind')
    assert logged(world, "h1", "no table named Nonesuch")
    with world.client("h1") as client:
        client.transact("ms_vtep", {
            "op": "insert", "table": "Manager", "uuid-name": "m",
            "row": {"target": "ptcp:7778:127.0.0.1"}}, {
            "op": "mutate", "table": "Global", "where": [], "mutations": [
                ["managers", "insert", ["named-uuid", "m"]]]})
    assert "ms_vtep" in list_databases(world, "h1", "tcp:127.0.0.1:7778")

    set_remotes(world, "ptcp:7779:127.0.0.1,ptcp:7780:127.0.0.1")
    assert logged(world, "h1", 'remote "ptcp:7779:127.0.0.1,ptcp:7780:'
                  '127.0.0.1" has a comma in it; several remotes are '
                  "separated by spaces")
    host.switch.vsctl(["remove", "Open_vSwitch", ".", "external_ids",
                       "hnv-remotes"])
    assert "ms_vtep" in list_databases(world, "h1", "tcp:127.0.0.1:6641")


def test_what_a_controller_deletes_of_the_agents_comes_back(world):
    """Global rows; cur_cfg follows next_cfg down as well as up."""
    with world.client("h1") as client:
        for cfg in (100000, 5):
            client.transact("ms_vtep", {
                "op": "update", "table": "Global", "where": [],
                "row": {"next_cfg": cfg}})
            client.transact("ms_vtep", {
                "op": "wait", "table": "Global", "timeout": 10000,
                "where": [], "columns": ["cur_cfg"], "until": "==",
                "rows": [{"cur_cfg": cfg}]})
        client.transact("ms_firewall", {"op": "delete", "where": [],
                                        "table": "FW_Global"})
        client.transact("ms_firewall", {
            "op": "wait", "table": "FW_Global", "timeout": 10000,
            "where": [], "columns": ["cur_cfg"], "until": "!=", "rows": []})


def test_a_global_row_replaced_in_one_transaction_is_followed(world):
    """Whichever of the two changes the agent sees first."""
    with world.client("h1") as client:
        for cfg in range(1000, 1020):
            switches = world.rows("h1", "Global", ["switches"])[0]["switches"]
            client.transact(
                "ms_vtep", {"op": "delete", "table": "Global", "where": []},
                {"op": "insert", "table": "Global",
                 "row": {"next_cfg": cfg, "switches": switches}})
            client.transact("ms_vtep", {
                "op": "wait", "table": "Global", "timeout": 10000,
                "where": [], "columns": ["cur_cfg"], "until": "==",
                "rows": [{"cur_cfg": cfg}]})


def test_the_agent_may_start_before_open_vswitch(world, tmp_path):
    """Also where that has never run, so that its folder is not there."""
    run = tmp_path / "ovs" / "run"
    env = {**os.environ, "OVS_RUNDIR": str(run)}
    subprocess.run(
        [world.lab.host("h1").agent.args[0], "--detach", "--pidfile",
         "--no-chdir", "-vconsole:off", "--remote=punix:" + str(run / "x"),
         f"--run-dir={tmp_path}/run", f"--db-dir={tmp_path}/db"],
        env=env, check=True, timeout=20)
    listed = netns.run(["ovsdb-client", "list-dbs",
                        f"unix:{tmp_path}/run/db.sock"])
    subprocess.run(["ovs-appctl", "-T5", "-t", "hnv-agent", "exit"], env=env,
                   check=True)
    assert "ms_vtep" in listed


@pytest.mark.parametrize("encap", ["vxlan", "nvgre"])
def test_tcp_carries_megabytes_unharmed(make_lab, encap):
    """To the same subnet and another, on the same host and another."""
    world = w.World(make_lab(w.description()), w.policy(encap))
    data = random.Random(1).randbytes(2_000_000)
    for guest in ("a2", "a3", "b1", "b2"):
        assert received(world, guest, data) == data, guest


def received(world, guest, data):
    """What 'guest' gets over TCP when a1 sends it 'data'."""
    with netns.entered(world.lab.guest(guest).namespace):
        listener = socket.create_server(("0.0.0.0", 5000))
    with netns.entered(world.lab.guest("a1").namespace):
        sender = socket.socket()
    got = bytearray()

    def receive():
        with listener, listener.accept()[0] as connection:
            while chunk := connection.recv(65536):
                got.extend(chunk)

    thread = threading.Thread(target=receive)
    thread.start()
    with sender:
        sender.settimeout(20)
        sender.connect((w.ca(guest), 5000))
        sender.sendall(data)
    thread.join(20)
    return bytes(got)
