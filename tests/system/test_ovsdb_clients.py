# SPDX-License-Identifier: Apache-2.0

"""The agent as its OVSDB clients see it: people's tools, Open vSwitch's Python
library, controllers that dial in and that are dialled."""

import contextlib
import json
import random
import re
import socket
import ssl
import subprocess
import threading
import time
import xml.dom.minidom

import pytest

import ovs.db.idl
import ovs.poller

from ovsdb_peer import (DBS, SCHEMAS, TIMEOUT, Agent, DbServer, Keys, Rpc,
                        find_agent, free_port, insert, mask_uuids, need,
                        select)
from waiting import until


@pytest.fixture(name="agent", scope="module")
def fixture_agent(tmp_path_factory):
    need("ovsdb-client")
    with Agent(tmp_path_factory.mktemp("agent") / "a") as agent:
        yield agent
        assert agent.is_alive()


@pytest.fixture(name="keys", scope="module")
def fixture_keys(tmp_path_factory):
    need("openssl")
    return Keys(tmp_path_factory.mktemp("keys") / "k", "agent", "controller")


def unique(prefix):
    return f"{prefix}-{random.getrandbits(48):x}"


# Tools.


def test_list_dbs(agent):
    assert agent.client("list-dbs", "SERVER").split() == ["_Server", *DBS]


def without_defaults(schema):
    """A schema as a server prints it: "min" and "max" are 1 unless said."""
    if isinstance(schema, list):
        return [without_defaults(v) for v in schema]
    if isinstance(schema, dict):
        return {k: without_defaults(v) for k, v in schema.items()
                if not (k in ("min", "max") and v == 1)}
    return schema


@pytest.mark.parametrize("db", DBS)
def test_get_schema_is_the_documented_one(agent, db):
    schema = json.loads(agent.client("get-schema", "SERVER", db))
    documented = json.loads((SCHEMAS / f"{db}.ovsschema").read_text())
    assert schema == without_defaults(documented)
    # "Please convert" is what scripts would do otherwise.
    assert agent.client("needs-conversion", "SERVER",
                        str(SCHEMAS / f"{db}.ovsschema")).strip() == "no"


@pytest.mark.parametrize("db", DBS)
def test_every_column_is_described(db):
    schema = json.loads((SCHEMAS / f"{db}.ovsschema").read_text())
    document = xml.dom.minidom.parse(str(SCHEMAS / f"{db}.xml"))
    described = {(table.getAttribute("name"), column.getAttribute("name"))
                 for table in document.getElementsByTagName("table")
                 for column in table.getElementsByTagName("column")}
    assert described == {(name, column)
                         for name, table in schema["tables"].items()
                         for column in table["columns"]}


def test_the_server_database_lists_the_others(agent):
    rows = select(agent, "_Server", "Database")
    assert sorted(r["name"] for r in rows) == ["_Server", *DBS]
    for row in rows:
        assert row["connected"] and row["leader"]
        assert row["model"] == "standalone"
        assert json.loads(row["schema"])["name"] == row["name"]


def test_a_new_host_has_its_rows(agent):
    row, = select(agent, "ms_vtep", "Physical_Switch")
    assert row["name"] == "host-7"
    assert int(row["distributed_router_mac"][:2], 16) & 3 == 2
    row_, = select(agent, "ms_vtep", "Global")
    assert row_["switches"] == row["_uuid"]
    for db, table in (("ms_firewall", "FW_Global"),
                      ("ms_service_insertion", "SI_Global"),
                      ("ms_darv", "Global")):
        assert len(select(agent, db, table)) == 1


def test_dump(agent):
    assert "Physical_Switch table" in agent.client("dump", "SERVER",
                                                   "ms_vtep")
    one = agent.client("-f", "csv", "dump", "SERVER", "ms_vtep", "Global")
    assert one.splitlines()[1].split(",")[1:] == [
        "cur_cfg", "db_version", "managers", "next_cfg", "other_config",
        "switches"]


def test_transact(agent):
    name = unique("transact")
    reply = agent.client("transact", "SERVER", json.dumps(
        ["ms_vtep", insert("Logical_Switch", {"name": name})]))
    uuid = json.loads(reply)[0]["uuid"][1]
    found = agent.client("transact", "SERVER", json.dumps(
        ["ms_vtep", {"op": "select", "table": "Logical_Switch",
                     "where": [["name", "==", name]],
                     "columns": ["_uuid"]}]))
    assert uuid in found


@pytest.mark.parametrize("method", ["monitor", "monitor-cond",
                                    "monitor-cond-since"])
def test_monitor(agent, method):
    before, after = unique("before"), unique("after")
    agent.transact("ms_vtep", insert("Logical_Switch", {"name": before}))
    arguments = ["ms_vtep", "Logical_Switch", "name"]
    if method != "monitor":
        arguments.insert(1, json.dumps([["name", "==", before],
                                        ["name", "==", after]]))
    out = agent.folder / f"{method}.out"
    with open(out, "w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            ["ovsdb-client", "-f", "csv", method, agent.remote, *arguments],
            stdout=stream)
        try:
            until(lambda: f"initial,{before}" in out.read_text(),
                  "the first contents")
            agent.transact("ms_vtep", insert("Logical_Switch",
                                             {"name": after}))
            until(lambda: f"insert,{after}" in out.read_text(), "the insert")
            agent.transact("ms_vtep", {
                "op": "delete", "table": "Logical_Switch",
                "where": [["name", "==", after]]})
            # Only the oldest of the methods tells what was in a deleted row.
            until(lambda: ",delete," in out.read_text(), "the delete")
        finally:
            process.terminate()
            process.wait()


def test_wait_for_a_database(agent):
    agent.client("wait", "SERVER", "ms_vtep", "connected")
    agent.client("wait", "SERVER", "nonesuch", "removed")


def test_a_wait_operation_waits(agent):
    name = unique("wait")
    with agent.rpc() as rpc:
        rpc.request("transact", ["ms_vtep", {
            "op": "wait", "table": "Logical_Switch", "timeout": 20000,
            "where": [["name", "==", name]], "columns": ["name"],
            "until": "==", "rows": [{"name": name}]}])
        rpc.sock.settimeout(0.3)
        with pytest.raises(socket.timeout):
            rpc.receive()
        rpc.sock.settimeout(TIMEOUT)
        agent.transact("ms_vtep", insert("Logical_Switch", {"name": name}))
        assert rpc.receive()["result"] == [{}]


def test_locks(agent):
    lock = unique("lock").replace("-", "_")
    with agent.rpc() as first, agent.rpc() as second, agent.rpc() as thief:
        assert first.call("lock", [lock])["result"] == {"locked": True}
        assert second.call("lock", [lock])["result"] == {"locked": False}
        first.transact("ms_vtep", {"op": "assert", "lock": lock})
        reply = second.call("transact", ["ms_vtep",
                                         {"op": "assert", "lock": lock}])
        assert reply["result"][0]["error"] == "not owner"

        assert thief.call("steal", [lock])["result"] == {"locked": True}
        assert first.receive()["method"] == "stolen"
        # Who was robbed is first in the queue.
        assert thief.call("unlock", [lock])["result"] == {}
        assert first.receive()["method"] == "locked"
        assert first.call("unlock", [lock])["result"] == {}
        granted = second.receive()
        assert (granted["method"], granted["params"]) == ("locked", [lock])


def test_the_lock_command(agent):
    lock = unique("lock").replace("-", "_")
    out = agent.folder / "lock.out"
    with open(out, "w", encoding="utf-8") as stream:
        process = subprocess.Popen(["ovsdb-client", "lock", agent.remote,
                                    lock], stdout=stream)
        until(lambda: "locked" in out.read_text(), "the lock")
        process.terminate()
        process.wait()


def test_echo(agent):
    with agent.rpc() as rpc:
        assert rpc.call("echo", ["a", 1, {}])["result"] == ["a", 1, {}]


def test_convert_to_the_same_schema(agent):
    name = unique("convert")
    agent.transact("ms_vtep", insert("Logical_Switch", {"name": name}))
    for _ in range(2):
        agent.client("convert", "SERVER", str(SCHEMAS / "ms_vtep.ovsschema"))
    assert {"name": name} in select(agent, "ms_vtep", "Logical_Switch",
                                    "name")
    # The agent follows the converted tables.
    agent.transact("ms_vtep", insert("Logical_Switch",
                                     {"name": unique("after")}))
    assert agent.is_alive()


def test_convert_to_another_schema_is_refused(agent, tmp_path):
    schema = json.loads((SCHEMAS / "ms_vtep.ovsschema").read_text())
    schema["version"] = "2.0.0"
    del schema["tables"]["Ucast_Macs_Local"]
    new = tmp_path / "new.ovsschema"
    new.write_text(json.dumps(schema))
    before = agent.client("dump", "SERVER", "ms_vtep")
    result = agent.client("convert", "SERVER", str(new), check=False)
    assert result.returncode != 0
    assert "not allowed" in result.stderr
    assert agent.client("dump", "SERVER", "ms_vtep") == before


def test_commands(agent):
    need("ovs-appctl")
    assert agent.appctl("ovsdb-server/list-dbs").split() == ["_Server", *DBS]
    assert agent.appctl("ovsdb-server/get-db-storage-status",
                        "ms_vtep") == "status: ok\n"
    agent.appctl("ovsdb-server/compact")
    agent.appctl("ovsdb-server/compact", "ms_vtep")
    remotes = agent.appctl("ovsdb-server/list-remotes").split()
    assert "db:ms_vtep,Global,managers" in remotes
    commands = agent.appctl("list-commands")
    assert "ovsdb-server/perf-counters-show" in commands
    assert "ovsdb-server/remove-db" not in commands


# Open vSwitch's Python library.


class Idl:
    """A client that holds a replica of some tables of ms_vtep."""

    def __init__(self, agent, *tables):
        helper = ovs.db.idl.SchemaHelper(str(SCHEMAS / "ms_vtep.ovsschema"))
        for table in tables:
            helper.register_table(table)
        self.idl = ovs.db.idl.Idl(agent.remote, helper)
        self.until(lambda: self.idl.has_ever_connected(), "the connection")

    def until(self, condition, what):
        deadline = time.monotonic() + TIMEOUT
        while True:
            self.idl.run()
            result = condition()
            if result:
                return result
            assert time.monotonic() < deadline, f"waited too long for {what}"
            poller = ovs.poller.Poller()
            self.idl.wait(poller)
            poller.timer_wait(100)
            poller.block()

    def commit(self, change):
        txn = ovs.db.idl.Transaction(self.idl)
        result = change(txn)
        assert txn.commit_block() in (txn.SUCCESS, txn.UNCHANGED), \
            txn.get_error()
        return txn.get_insert_uuid(result.uuid) if result else None

    def rows(self, table):
        return self.idl.tables[table].rows.values()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.idl.close()


def test_idl(agent):
    name = unique("idl")
    with Idl(agent, "Logical_Switch") as writer, \
            Idl(agent, "Logical_Switch") as reader:
        def add(txn):
            row = txn.insert(writer.idl.tables["Logical_Switch"])
            row.name = name
            row.tunnel_key = 5001
            return row

        def mine():
            return [r for r in reader.rows("Logical_Switch")
                    if r.name == name]

        uuid = writer.commit(add)
        row = reader.until(mine, "the new row")[0]
        assert (row.uuid, row.tunnel_key) == (uuid, [5001])

        def change(_):
            for r in writer.rows("Logical_Switch"):
                if r.name == name:
                    r.setkey("other_config", "k", "v")

        writer.commit(change)
        reader.until(lambda: mine()[0].other_config == {"k": "v"},
                     "the change")

        def delete(_):
            for r in list(writer.rows("Logical_Switch")):
                if r.name == name:
                    r.delete()

        writer.commit(delete)
        reader.until(lambda: not mine(), "the deletion")


# Controllers.


def controller_at_work(rpc):
    """Does what a controller does first, over its connection."""
    assert "ms_vtep" in rpc.call("list_dbs", [])["result"]
    rpc.call("monitor", ["ms_vtep", None, {"Logical_Switch": {}}])
    name = unique("controller")
    rpc.transact("ms_vtep", insert("Logical_Switch", {"name": name}))
    # Its own change is shown to it before it gets the answer.
    assert any(m["method"] == "update" and name in json.dumps(m)
               for m in rpc.notifications)


@contextlib.contextmanager
def with_manager(agent, target, **columns):
    """The row of a controller."""
    agent.transact(
        "ms_vtep", insert("Manager", {"target": target, **columns}, "m"),
        {"op": "mutate", "table": "Global", "where": [], "mutations": [
            ["managers", "insert", ["named-uuid", "m"]]]})
    try:
        yield
    finally:
        agent.transact("ms_vtep", {
            "op": "update", "table": "Global", "where": [],
            "row": {"managers": ["set", []]}})


def manager(agent):
    """Returns (is_connected, status) of the only controller."""
    row, = select(agent, "ms_vtep", "Manager", "is_connected", "status")
    return row["is_connected"], dict(row["status"][1])


def test_controller_dials_in_over_tcp(tmp_path):
    port = free_port()
    with Agent(tmp_path / "a", f"--remote=ptcp:{port}:127.0.0.1"):
        with Rpc(socket.create_connection(("127.0.0.1", port))) as rpc:
            controller_at_work(rpc)


def test_controller_dials_in_over_tls(tmp_path, keys):
    port = free_port()
    options = [f"--remote=pssl:{port}:127.0.0.1", *keys.options("agent")]
    with Agent(tmp_path / "a", *options):
        context = keys.context("controller", server_side=False)
        raw = socket.create_connection(("127.0.0.1", port))
        with Rpc(context.wrap_socket(raw)) as rpc:
            controller_at_work(rpc)


def test_a_stranger_gets_nothing_over_tls(tmp_path, keys):
    port = free_port()
    strangers = Keys(tmp_path / "strangers", "controller")
    options = [f"--remote=pssl:{port}:127.0.0.1", *keys.options("agent")]
    with Agent(tmp_path / "a", *options) as agent:
        for certified in (True, False):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if certified:
                context.load_cert_chain(strangers.cert("controller"),
                                        strangers.key("controller"))
            raw = socket.create_connection(("127.0.0.1", port))
            with pytest.raises(OSError):
                with Rpc(context.wrap_socket(raw)) as rpc:
                    rpc.call("list_dbs", [])
        assert agent.is_alive()


class Listener:
    """A controller that waits to be dialled."""

    def __init__(self, context=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(TIMEOUT)
        self.context = context
        self.port = self.socket.getsockname()[1]

    def accept(self):
        """Returns the next connection that the agent has not given up while
        it waited here."""
        while True:
            raw, _ = self.socket.accept()
            with contextlib.suppress(OSError):
                if self.context:
                    raw = self.context.wrap_socket(raw, server_side=True)
                rpc = Rpc(raw)
                rpc.call("list_dbs", [])
                return rpc

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def check_dialled(agent, listener, target):
    """A controller that is dialled, works, goes and comes back."""
    with with_manager(agent, target, max_backoff=1000):
        with listener.accept() as rpc:
            controller_at_work(rpc)
            rpc.call("lock", ["a_lock"])
            until(lambda: manager(agent)[0], "is_connected")
            until(lambda: "locks_held" in manager(agent)[1], "locks_held")
            connected, status = manager(agent)
            assert connected
            assert status["state"] == "ACTIVE"
            assert status["locks_held"] == "a_lock"
            assert int(status["sec_since_connect"]) < TIMEOUT
        until(lambda: not manager(agent)[0] or
              "sec_since_disconnect" in manager(agent)[1],
              "the end of the connection to show")
        # It comes back by itself.
        with listener.accept() as rpc:
            controller_at_work(rpc)
    assert not select(agent, "ms_vtep", "Manager")


def test_controller_is_dialled_over_tcp(agent):
    with Listener() as listener:
        check_dialled(agent, listener, f"tcp:127.0.0.1:{listener.port}")


def test_controller_is_dialled_over_tls(tmp_path, keys):
    options = [f"--remote=punix:{tmp_path}/x", *keys.options("agent")]
    with Agent(tmp_path / "a", *options) as agent, \
            Listener(keys.context("controller", True)) as listener:
        check_dialled(agent, listener, f"ssl:127.0.0.1:{listener.port}")


def test_a_controller_that_is_not_there(agent):
    with with_manager(agent, f"tcp:127.0.0.1:{free_port()}"):
        until(lambda: manager(agent)[1].get("state") == "BACKOFF",
              "the failure to show")
        assert not manager(agent)[0]


def test_a_listening_manager(agent):
    with with_manager(agent, "ptcp:0:127.0.0.1"):
        port = int(until(lambda: manager(agent)[1].get("bound_port"),
                         "the port"))
        with Rpc(socket.create_connection(("127.0.0.1", port))) as a, \
                Rpc(socket.create_connection(("127.0.0.1", port))) as b:
            controller_at_work(a)
            controller_at_work(b)
            until(lambda: manager(agent)[1].get("n_connections") == "2",
                  "n_connections")
            assert manager(agent)[0]


# What is wrong.


BAD_TRANSACTIONS = [
    [], {}, 5, None, "x", ["x"], [5],
    [[]], [{}], [{"op": "nonesuch"}], [{"op": 5}], [{"op": "insert"}],
    [insert("Nonesuch", {})],
    [insert("Logical_Switch", {"nonesuch": 1})],
    [insert("Logical_Switch", {"name": 5})],
    [insert("Logical_Switch", {"name": ["set", ["a", "b"]]})],
    [insert("Logical_Switch", {"tunnel_key": "x"})],
    [insert("Logical_Switch", {"tunnel_key": ["set", [1, 2]]})],
    [insert("Logical_Switch", {"other_config": ["map", [["a"]]]})],
    [insert("Logical_Switch", {"name": "a"}),
     insert("Logical_Switch", {"name": "a"})],
    [insert("Logical_Switch", {"name": "a"}), {"op": "abort"}],
    [insert("Logical_Switch", {"name": "a"}), insert("Nonesuch", {})],
    [insert("Logical_Switch", {}, "a"), insert("Logical_Switch", {}, "a")],
    [insert("Logical_Switch", {"name": "a"}, "not a name")],
    [insert("Logical_Router", {"name": "r", "switch_binding": [
        "map", [["10.0.0.0/24", ["named-uuid", "nonesuch"]]]]})],
    [insert("Logical_Router", {"name": "r", "switch_binding": [
        "map", [["10.0.0.0/24",
                 ["uuid", "12345678-1234-1234-1234-123456789012"]]]]})],
    [insert("Ucast_Macs_Remote", {"MAC": "x"})],
    [insert("Ucast_Macs_Remote", {"mapping_type": "nonesuch"})],
    [insert("Physical_Locator", {"encapsulation_type": "vxlan"})],
    [insert("Physical_Locator_Set", {"locators": ["set", []]})],
    [insert("Manager", {"max_backoff": 999})],
    [insert("Global", {}), insert("Global", {})],
    [{"op": "update", "table": "Logical_Switch", "where": "x", "row": {}}],
    [{"op": "update", "table": "Logical_Switch",
      "where": [["name", "~", "x"]], "row": {}}],
    [{"op": "update", "table": "Physical_Locator", "where": [],
      "row": {"dst_ip": "192.0.2.1"}}],
    [{"op": "mutate", "table": "Logical_Switch", "where": [],
      "mutations": [["name", "+=", 1]]}],
    [{"op": "mutate", "table": "Logical_Switch", "where": [],
      "mutations": [["tunnel_key", "/=", 0]]}],
    [{"op": "delete", "table": "Logical_Switch"}],
    [{"op": "select", "table": "Logical_Switch", "where": [],
      "columns": ["nonesuch"]}],
    [{"op": "wait", "table": "Logical_Switch", "where": [], "timeout": 0,
      "columns": ["name"], "until": "==", "rows": [{"name": "nonesuch"}]}],
    [{"op": "assert", "lock": "nobody_has_it"}],
    [{"op": "commit", "durable": "x"}], [{"op": "comment"}],
]

BAD_REQUESTS = [
    ("nonesuch", []), ("transact", []), ("transact", ["nonesuch"]),
    ("transact", [5]), ("get_schema", []), ("get_schema", ["nonesuch"]),
    ("monitor", []), ("monitor", ["ms_vtep", None, {"Nonesuch": {}}]),
    ("monitor", ["ms_vtep", None, {"Manager": {"columns": ["x"]}}]),
    ("monitor_cond", ["ms_vtep", None, {"Manager": [{"where": 5}]}]),
    ("monitor_cond_since", ["ms_vtep", None, {}, "x"]),
    ("monitor_cancel", ["nonesuch"]), ("monitor_cancel", []),
    ("lock", []), ("lock", ["not an id"]), ("unlock", ["nonesuch"]),
    ("unlock", []), ("steal", [5]), ("convert", []),
    ("convert", ["ms_vtep"]), ("convert", ["nonesuch", {}]),
    ("convert", ["ms_vtep", {}]), ("set_db_change_aware", []),
    ("list_dbs", [5]),
]


@pytest.fixture(name="pair", scope="module")
def fixture_pair(tmp_path_factory):
    """An ovsdb-server and the agent, both with an empty ms_vtep."""
    need("ovsdb-server", "ovsdb-tool")
    folder = tmp_path_factory.mktemp("pair")
    servers = []
    for name, program in (("stock", ["ovsdb-server"]),
                          ("ours", [find_agent(), "--db-only"])):
        file = folder / f"{name}.db"
        subprocess.run(["ovsdb-tool", "create", file,
                        SCHEMAS / "ms_vtep.ovsschema"], check=True)
        servers.append(DbServer(folder / name, program, file))
    with servers[0] as stock, servers[1] as ours:
        yield stock, ours


def options_in_help(*program):
    text = subprocess.run([*program, "--help"], check=True, text=True,
                          capture_output=True).stdout
    return set(re.findall(r"--[a-z-]+", text)) - {"--db-only"}


def test_the_plain_server_has_the_options_of_ovsdb_server():
    """And --no-dbs, which ovsdb-server has but does not tell of."""
    need("ovsdb-server")
    assert (options_in_help(find_agent(), "--db-only")
            == options_in_help("ovsdb-server") | {"--no-dbs"})


def answer(server, method, params):
    with server.rpc() as rpc:
        number = rpc.request(method, params)
        reply = rpc.receive()
        if reply is None:
            return "connection closed"
        assert reply.pop("id") == number
        return mask_uuids(reply)


@pytest.mark.parametrize("operations", BAD_TRANSACTIONS, ids=json.dumps)
def test_a_bad_transaction_gets_the_usual_error(pair, agent, operations):
    params = ["ms_vtep", *operations] if isinstance(operations, list) \
        else operations
    stock, ours = (answer(s, "transact", params) for s in pair)
    assert ours == stock

    # The agent itself has rows of its own, which may give other errors; what
    # holds is that it gives one, and that nothing changes.
    before = agent.client("dump", "SERVER", "ms_vtep")
    answer(agent, "transact", params)
    if operations not in ([], [insert("Logical_Switch", {"name": "a"})]):
        assert agent.client("dump", "SERVER", "ms_vtep") == before


@pytest.mark.parametrize("method,params", BAD_REQUESTS)
def test_a_bad_request_gets_the_usual_error(pair, method, params):
    stock, ours = (answer(s, method, params) for s in pair)
    assert ours == stock


@pytest.mark.parametrize("params", [["ms_vtep"], ["ms_vtep", None]])
def test_a_monitor_request_with_too_little(agent, params):
    # ovsdb-server 3.1 does not survive this one.
    assert "invalid parameters" in answer(agent, "monitor", params)


def test_junk_ends_the_connection_only(agent):
    junk = [b"\0" * 100, b"}", b"[1]", b"GET / HTTP/1.0\r\n\r\n",
            b'{"method":5,"params":[],"id":0}', b'{"id":0}', b"[" * 5000,
            b'{"method":"transact","params":["ms_vtep"',
            bytes(random.Random(1).randbytes(4096))]
    for data in junk:
        with agent.rpc() as rpc:
            rpc.sock.sendall(data)
            rpc.sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while rpc.sock.recv(4096):
                    pass
    assert agent.is_alive()
    assert select(agent, "ms_vtep", "Global")


def test_many_clients_at_once(agent):
    errors = []

    def work():
        try:
            with agent.rpc() as rpc:
                for _ in range(20):
                    name = unique("many")
                    rpc.transact("ms_vtep",
                                 insert("Logical_Switch", {"name": name}))
                    rpc.transact("ms_vtep", {
                        "op": "delete", "table": "Logical_Switch",
                        "where": [["name", "==", name]]})
        except Exception as e:  # pylint: disable=broad-except
            errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
