# SPDX-License-Identifier: Apache-2.0
"""An Open vSwitch of its own inside a namespace: the distribution's
ovsdb-server and ovs-vswitchd, with the userspace datapath."""

import os

from . import netns, ovsdb
from .daemon import Daemon

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Switch:
    """'folder' holds its database, sockets, pidfiles and logs."""

    def __init__(self, title, namespace, folder, program="ovs-vswitchd"):
        self.namespace = namespace
        self.folder = folder
        self.logs = f"{folder}/log"
        self.remote = f"unix:{folder}/db.sock"
        self.database = self._daemon(
            title, "ovsdb-server", "ovsdb-server",
            [f"{folder}/conf.db", f"--remote=p{self.remote}",
             "--remote=db:Open_vSwitch,Open_vSwitch,manager_options"])
        # Were a kernel datapath there, it would be one for all namespaces'
        # switches to share; userspace datapaths have nothing in common.
        self.vswitchd = self._daemon(
            title, "ovs-vswitchd", program,
            [self.remote, "--disable-system"])

    def env(self):
        """With this, Open vSwitch's tools talk to this switch."""
        return {"OVS_RUNDIR": self.folder, "OVS_DBDIR": self.folder,
                "OVS_LOGDIR": self.logs, "OVS_SYSCONFDIR": self.folder}

    def create(self, settings):
        """Starts the database and writes 'settings', ovs-vsctl commands, into
        it, for the switch to find when it starts."""
        os.makedirs(self.logs)
        netns.run(["ovsdb-tool", "create", f"{self.folder}/conf.db", SCHEMA])
        self.database.start()
        self.vsctl(["init"], *settings, options=["--no-wait"])

    def vsctl(self, *commands, options=()):
        """Runs ovs-vsctl commands, each a list of words, as one transaction,
        and waits until the switch has them.  ovs-vsctl needs no namespace: it
        talks to a Unix socket."""
        words = []
        for command in commands:
            words += ["--", *command]
        return netns.run(["ovs-vsctl", f"--db={self.remote}", "--timeout=30",
                          *options, *words])

    def appctl(self, *words):
        """Runs a command of ovs-vswitchd's."""
        return netns.run(["ovs-appctl", f"--target={self._control()}",
                          "--timeout=30", *words])

    def forget_cached(self):
        """Counts and drops all megaflows, so that the next packet sees the
        flow tables as they are.  Meanwhile the threads that keep megaflows up
        to date stand still: purging alone leaves out those that they have in
        hand, and if the machine is busy, that is for long."""
        # What ovs-appctl says, too, is JSON-RPC as in OVSDB.
        with ovsdb.Client(f"unix:{self._control()}") as client:
            for step in ("pause", "purge", "resume"):
                client.call(f"revalidator/{step}", [])

    def _control(self):
        return f"{self.folder}/ovs-vswitchd.{self.vswitchd.pid()}.ctl"

    def _daemon(self, title, name, program, args):
        pidfile = f"{self.folder}/{name}.pid"
        logfile = f"{self.logs}/{name}.log"
        return Daemon(f"{title}'s {name}", self.namespace, pidfile, logfile,
                      [program, *args, f"--pidfile={pidfile}",
                       f"--log-file={logfile}", "--detach", "--no-chdir",
                       "-vconsole:off"], self.env())
