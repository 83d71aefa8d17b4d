# SPDX-License-Identifier: Apache-2.0

"""Servers to test, and a client that says exactly what it is told to.

Everything lives in a folder of the test's own; nothing here needs root."""

import itertools
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from waiting import until

TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = TOP / "schema"
DBS = ["ms_darv", "ms_firewall", "ms_service_insertion", "ms_vtep"]
TIMEOUT = 30


def find_agent():
    agent = os.environ.get("HNV_AGENT", TOP / "build/agent/hnv-agent")
    if not os.access(agent, os.X_OK):
        pytest.skip(f"{agent}: no such program")
    return str(agent)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A process that serves databases at 'folder'/db.sock."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.socket = self.folder / "db.sock"
        self.remote = f"unix:{self.socket}"
        self.log = self.folder / "log"
        self.process = None

    def command(self):
        raise NotImplementedError

    def start(self):
        env = dict(os.environ, OVS_RUNDIR=str(self.folder),
                   OVS_LOGDIR=str(self.folder))
        self.socket.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=env)
        until(lambda: self.accepts() or self.process.poll() is not None,
              "the server to listen")
        assert self.process.poll() is None, self.log.read_text()
        return self

    def accepts(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(self.socket))
            return True
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(TIMEOUT)

    def is_alive(self):
        return self.process.poll() is None

    def appctl(self, *args):
        return subprocess.run(
            ["ovs-appctl", "-t", str(self.folder / "ctl"), *args],
            check=True, capture_output=True, text=True,
            timeout=TIMEOUT).stdout

    def client(self, *args, check=True):
        """Runs ovsdb-client; "SERVER" stands for this server's socket."""
        args = [self.remote if a == "SERVER" else a for a in args]
        result = subprocess.run(
            ["ovsdb-client", f"--timeout={TIMEOUT}", *args],
            capture_output=True, text=True, check=False)
        if check:
            assert result.returncode == 0, result.stderr
            return result.stdout
        return result

    def rpc(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.socket))
        return Rpc(s)

    def transact(self, db, *operations):
        with self.rpc() as rpc:
            return rpc.transact(db, *operations)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


SWITCH_SCHEMA = pathlib.Path("/usr/share/openvswitch/vswitch.ovsschema")


class Agent(Server):
    """The agent with its policy databases.  Of Open vSwitch there is only the
    database, with the name of the host in it."""

    def __init__(self, folder, *options):
        super().__init__(folder)
        self.options = options
        self.switch = self.make_switch()

    def make_switch(self):
        need("ovsdb-server", "ovsdb-tool")
        if not SWITCH_SCHEMA.exists():
            pytest.skip(f"{SWITCH_SCHEMA} is not there")
        file = self.folder / "conf.db"
        subprocess.run(["ovsdb-tool", "create", file, SWITCH_SCHEMA],
                       check=True)
        return DbServer(self.folder / "switch", ["ovsdb-server"], file)

    def command(self):
        return [find_agent(), f"--db-dir={self.folder}/db",
                f"--run-dir={self.folder}",
                f"--ovsdb={self.switch.remote}",
                f"--unixctl={self.folder}/ctl", "-vconsole:info",
                *(self.options or [f"--remote=punix:{self.folder}/other"])]

    def start(self):
        if not self.switch.process:
            self.switch.start()
            self.switch.transact("Open_vSwitch", insert("Open_vSwitch", {
                "external_ids": ["map", [["system-id", "host-7"]]]}))
        super().start()
        # The rows of this host come a moment after the socket.
        until(lambda: select(self, "ms_vtep", "Global"), "the Global row")
        return self

    def stop(self):
        super().stop()
        self.switch.stop()
        self.switch.process = None


class DbServer(Server):
    """One that serves 'files': ovsdb-server or the agent's equal to it."""

    def __init__(self, folder, program, *files):
        super().__init__(folder)
        self.program = program
        self.files = [str(f) for f in files]

    def command(self):
        return [*self.program, f"--remote=p{self.remote}",
                f"--unixctl={self.folder}/ctl", "-vconsole:info",
                *self.files]


class Rpc:
    """One JSON-RPC connection."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(TIMEOUT)
        self.buffer = ""
        self.ids = itertools.count()
        self.notifications = []

    def send(self, message):
        self.sock.sendall(json.dumps(message).encode())

    def receive(self):
        """Returns the next message, or None at the end of the stream.
        Answers the server's probes."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            assert time.monotonic() < deadline, "only probes"
            try:
                message, n = json.JSONDecoder().raw_decode(self.buffer)
            except ValueError:
                data = self.sock.recv(65536).decode()
                if not data:
                    return None
                self.buffer += data
                continue
            self.buffer = self.buffer[n:]
            if message.get("method") == "echo":
                self.send({"id": message["id"], "error": None,
                           "result": message["params"]})
                continue
            return message

    def request(self, method, params):
        number = next(self.ids)
        self.send({"method": method, "params": params, "id": number})
        return number

    def call(self, method, params):
        """Returns the reply to a request.  What comes before is kept in
        'notifications'."""
        number = self.request(method, params)
        while True:
            message = self.receive()
            if message is None:
                raise ConnectionError("connection lost")
            if message["id"] == number:
                return message
            self.notifications.append(message)

    def transact(self, db, *operations):
        reply = self.call("transact", [db, *operations])
        assert reply["error"] is None, reply
        for result in reply["result"]:
            assert not result or "error" not in result, reply
        return reply["result"]

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def select(server, db, table, *columns):
    """Returns the rows of a table."""
    operation = {"op": "select", "table": table, "where": []}
    if columns:
        operation["columns"] = list(columns)
    return server.transact(db, operation)[0]["rows"]


def insert(table, row, name=None):
    operation = {"op": "insert", "table": table, "row": row}
    if name:
        operation["uuid-name"] = name
    return operation


def mask_uuids(value):
    """'value' without what differs from run to run."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID",
                  json.dumps(value, sort_keys=True))


class Keys:
    """An authority and keys that it certifies, as 'names'."""

    def __init__(self, folder, *names):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.ca = self.certify("ca")
        for name in names:
            self.certify(name, by="ca")

    def openssl(self, *args):
        subprocess.run(["openssl", *map(str, args)], cwd=self.folder,
                       check=True, capture_output=True)

    def certify(self, name, by=None):
        key, cert = self.key(name), self.cert(name)
        request = ["req", "-new", "-newkey", "rsa:2048", "-nodes",
                   "-subj", f"/CN={name}", "-keyout", key]
        if by is None:
            self.openssl(*request, "-x509", "-days", 2, "-out", cert)
        else:
            self.openssl(*request, "-out", f"{name}.req")
            self.openssl("x509", "-req", "-in", f"{name}.req", "-days", 2,
                         "-CA", self.cert(by), "-CAkey", self.key(by),
                         "-CAcreateserial", "-out", cert)
        return cert

    def key(self, name):
        return self.folder / f"{name}.key"

    def cert(self, name):
        return self.folder / f"{name}.pem"

    def options(self, name):
        return [f"--private-key={self.key(name)}",
                f"--certificate={self.cert(name)}", f"--ca-cert={self.ca}"]

    def context(self, name, server_side):
        side = ssl.Purpose.CLIENT_AUTH if server_side \
            else ssl.Purpose.SERVER_AUTH
        context = ssl.create_default_context(side, cafile=str(self.ca))
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.cert(name), self.key(name))
        return context
