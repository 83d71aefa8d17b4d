# SPDX-License-Identifier: Apache-2.0

"""A switch with the datapath extension, and what its messages are made of.

The switch forwards between dummy devices: no root, no namespaces.  Packets are
put into a device by hand and found again in the capture file of another.
"""

import os
import shutil
import socket
import struct
import subprocess

from scapy.utils import PcapReader

from waiting import until

DEADLINE_S = 10

NX_VENDOR = 0x2320
SUBTYPE = 1213093376            # HNV_SPACE_MOD, HNV_SPACE
SUBTYPE_STATS = SUBTYPE + 1
OF13 = 4

KINDS = ("ca", "mac", "pa", "peer", "share", "owner")
LOCAL, VXLAN, NVGRE, BALANCED = range(4)
PUT, DELETE, FLUSH, PUT_PORT, DELETE_PORT = range(5)
KIND_PORT, ANY_KIND, ANY_VSID = 0xfe, 0xff, 0xffffffff
SPACE_MOD_MAX = 1169             # HNV_SPACE_MOD_MAX


def address(text):
    if ":" in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return bytes(10) + b"\xff\xff" + socket.inet_aton(text)


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def entry(kind, vsid, addr=None, mac=None, pa=None, encap=LOCAL, share=0,
          learned=0, cookie=0):
    return struct.pack("!BBBBI16s16s6s2xQ", KINDS.index(kind), encap, learned,
                       share, vsid, address(addr) if addr else bytes(16),
                       address(pa) if pa else bytes(16),
                       mac_bytes(mac) if mac else bytes(6), cookie)


def by_ca(vsid, ca, mac, pa=None, encap=VXLAN):
    return entry("ca", vsid, ca, mac, pa, encap if pa else LOCAL)


def by_mac(vsid, mac, pa=None, encap=VXLAN):
    return entry("mac", vsid, None, mac, pa, encap if pa else LOCAL)


class OpenFlowError(Exception):
    pass


class Session:
    """OpenFlow 1.3, as far as it takes."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(path)
        self.xid = 0
        self.send(0, b"")
        self.receive()

    def close(self):
        self.socket.close()

    def send(self, type_, body):
        self.xid += 1
        self.socket.sendall(struct.pack("!BBHI", OF13, type_, 8 + len(body),
                                        self.xid) + body)
        return self.xid

    def receive_exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise ConnectionError("the switch hung up")
            data += piece
        return data

    def receive(self):
        """The next message that is not an echo request: type, xid, body."""
        while True:
            header = self.receive_exactly(8)
            _, type_, length, xid = struct.unpack("!BBHI", header)
            body = self.receive_exactly(length - 8)
            if type_ == 2:
                self.socket.sendall(struct.pack("!BBHI", OF13, 3, length, xid)
                                    + body)
            else:
                return type_, xid, body

    def barrier(self):
        """Waits until all that was sent is done; raises if there was an
        error."""
        xid = self.send(20, b"")
        errors = []
        while True:
            type_, got, body = self.receive()
            if type_ == 1:
                errors.append(struct.unpack("!HH", body[:4]))
            elif type_ == 21 and got == xid:
                break
        if errors:
            raise OpenFlowError(errors)

    def space_mod(self, command, *entries):
        self.send(4, struct.pack("!IIB7x", NX_VENDOR, SUBTYPE, command)
                  + b"".join(entries))

    def put(self, *entries):
        self.space_mod(PUT, *entries)
        self.barrier()

    def stats(self, subtype, body):
        """One reply of an experimenter's statistics."""
        xid = self.send(18, struct.pack("!HH4xII", 0xffff, 0, NX_VENDOR,
                                        subtype) + body)
        while True:
            type_, got, reply = self.receive()
            if got != xid:
                continue
            if type_ == 1:
                raise OpenFlowError([struct.unpack("!HH", reply[:4])])
            return reply[16:]

    def dump(self, vsid=ANY_VSID, kind=ANY_KIND):
        """All entries, as they are on the wire, and the generations seen."""
        cursor, entries, generations, more = bytes(16), [], [], True
        while more:
            reply = self.stats(SUBTYPE, cursor + struct.pack("!IB3x", vsid,
                                                             kind))
            cursor = reply[:16]
            generation, more = struct.unpack("!QB7x", reply[16:32])
            generations.append(generation)
            rest = reply[32:]
            entries += [rest[i:i + 56] for i in range(0, len(rest), 56)]
        return entries, generations

    def counters(self):
        """Version, number of entries by kind, packets by action and reason."""
        reply = self.stats(SUBTYPE_STATS, b"")
        version, n_kinds, n_reasons = struct.unpack("!IHH", reply[:8])
        entries = struct.unpack("!6Q", reply[32:80])
        numbers = struct.unpack("!%dQ" % (n_kinds * n_reasons), reply[88:])
        return (version, dict(zip(KINDS, entries)),
                [numbers[i * n_reasons:(i + 1) * n_reasons]
                 for i in range(n_kinds)])


def is_listening(path):
    """A socket's name is there before it."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


class Switch:
    """ovsdb-server and ovs-vswitchd of a built tree, in a folder; or another
    ovs-vswitchd."""

    def __init__(self, tree, folder, vswitchd=None):
        self.tree = tree
        self.folder = str(folder)
        self.processes = []
        self.env = dict(os.environ, OVS_RUNDIR=self.folder,
                        OVS_LOGDIR=self.folder, OVS_DBDIR=self.folder,
                        OVS_SYSCONFDIR=self.folder)
        self.start_database()
        self.start_switch(vswitchd or "vswitchd/ovs-vswitchd")

    def start_database(self):
        database = os.path.join(self.folder, "conf.db")
        self.tool("ovsdb/ovsdb-tool", "create", database,
                  os.path.join(self.tree, "vswitchd/vswitch.ovsschema"))
        self.start("ovsdb/ovsdb-server",
                   "--remote=punix:" + self.path("db.sock"), database)
        self.wait_for(lambda: is_listening(self.path("db.sock")))
        self.vsctl("--no-wait", "init")

    def start_switch(self, vswitchd):
        self.start(vswitchd, "--enable-dummy", "--disable-system",
                   "--disable-system-route", "unix:" + self.path("db.sock"))
        self.wait_for(lambda: is_listening(self.path("ctl")))

    def path(self, name):
        return os.path.join(self.folder, name)

    def program(self, path):
        """What the tree has; what is the same in all trees, as installed.
        Or an absolute path."""
        built = os.path.join(self.tree, path)
        name = os.path.basename(path)
        return built if os.access(built, os.X_OK) else shutil.which(name)

    def start(self, program, *args):
        name = os.path.basename(program)
        args = [self.program(program), "--no-chdir", "-vconsole:off",
                "--log-file=" + self.path(name + ".log"),
                "--unixctl=" + self.path("ctl" if "vswitchd" in name
                                         else name + ".ctl")] + list(args)
        self.processes.append(subprocess.Popen(args, env=self.env))

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(DEADLINE_S)

    def tool(self, program, *args, timeout=6 * DEADLINE_S, **kwargs):
        done = subprocess.run([self.program(program)] + list(args),
                              env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              timeout=timeout, check=False, **kwargs)
        if done.returncode:
            raise RuntimeError(done.stdout)
        return done.stdout

    def vsctl(self, *args):
        return self.tool("utilities/ovs-vsctl",
                         "--db=unix:" + self.path("db.sock"), *args)

    def appctl(self, *args):
        return self.tool("utilities/ovs-appctl", "-t", self.path("ctl"), *args)

    def ofctl(self, *args, **kwargs):
        return self.tool("utilities/ovs-ofctl", "-O", "OpenFlow13", *args,
                         **kwargs)

    def mgmt(self, bridge):
        return "unix:" + self.path(bridge + ".mgmt")

    def session(self, bridge):
        return Session(self.path(bridge + ".mgmt"))

    def send(self, port, packet):
        self.appctl("netdev-dummy/receive", port, bytes(packet).hex())

    def wait_for(self, condition, what="a condition"):
        return until(condition, what, DEADLINE_S)

    def wait_for_revalidation(self):
        """Returns when all megaflows are as the flow tables and the entries
        say that were there before.  A round through the megaflows that is
        under way now may have passed some of them already."""
        for _ in range(2):
            self.appctl("revalidator/wait")

    def sent(self, port):
        """What has come out of a port that was made with its capture."""
        path = self.path(port + "-tx.pcap")
        if not os.path.exists(path) or os.path.getsize(path) < 24:
            return []
        packets = []
        try:
            for packet in PcapReader(path):
                packets.append(packet)
        except EOFError:
            pass                # The last one is still being written.
        return packets
