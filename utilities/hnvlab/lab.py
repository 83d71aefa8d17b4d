# SPDX-License-Identifier: Apache-2.0
"""A lab: an underlay, hosts and guests, and the folder that remembers them.

    FOLDER/NAME/lab.json         what the lab consists of
    FOLDER/NAME/underlay/        the underlay's switch
    FOLDER/NAME/HOST/            a host: OVS_RUNDIR of its switch
                     db.sock, conf.db, *.pid, *.ctl
                     db/         the agent's databases
                     hnv-run/    the agent's sockets
                     log/        all logs

lab.json is written before anything else is made, and everything has a name
that follows from it.  So 'down' finds what there is of a lab, however far
'up' came."""

import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import time
from dataclasses import asdict, dataclass, field
from typing import List

from . import netns, spec as lab_spec
from .errors import LabError
from .guest import Guest
from .host import Host
from .spec import UNDERLAY
from .underlay import Underlay

# Sockets' paths have at most 107 characters.  Below the lab's folder comes,
# at worst, "/" + a host's name + "/hnv-run/hnv-agent.1234567.ctl".
FOLDER_MAX = 107 - len("/") - 24 - len("/hnv-run/hnv-agent.1234567.ctl")
WORKERS = 8
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Programs:
    """What runs on the hosts, where a lab can choose."""
    agent: str
    agent_args: List[str] = field(default_factory=list)
    vswitchd: str = "ovs-vswitchd"
    backend: str = ""           # external_ids:hnv-backend, unless ""


def base_folder():
    return os.path.abspath(os.environ.get("HNV_LAB_DIR") or "/run/hnv-lab")


class Lab:
    """Made by create() for a new lab or load() for an existing one."""

    def __init__(self, name, spec, programs):
        self.name = name
        self.spec = spec
        self.programs = programs
        self.folder = folder_of(name)
        self.underlay = Underlay(spec, self.namespace(UNDERLAY),
                                 f"{self.folder}/{UNDERLAY}")
        self.hosts = {h.name: Host(spec, h, self.namespace(h.name),
                                   f"{self.folder}/{h.name}", programs)
                      for h in spec.hosts}
        self.guests = {v.name: Guest(v, self.namespace(v.name), i)
                       for i, v in enumerate(spec.vms)}

    def namespace(self, member):
        return f"{self.name}.{member}"

    def namespaces(self):
        return [self.namespace(m)
                for m in (UNDERLAY, *self.hosts, *self.guests)]

    def host(self, name):
        return _member(self.hosts, name, "host")

    def guest(self, name):
        return _member(self.guests, name, "guest")

    def up(self):
        """Builds everything.  On an error, or when interrupted, whatever was
        built is there for down() to remove."""
        netns.create(self.namespaces())
        for part in self._parts():
            part.prepare()
        self._lay_cables()
        _parallel([self.underlay.start, self._configure_guests]
                  + [h.start for h in self.hosts.values()])
        _parallel([lambda h=h: self._start_host_agent(h)
                   for h in self.hosts.values()])

    def _start_host_agent(self, host):
        # The switch learns neighbours of tunnels only once it has a tunnel.
        host.start_agent()
        host.meet_neighbours(self.peers(host))
        commands = [command for guest in self.guests_on(host)
                    for command in guest.plug_commands()]
        if commands:
            host.switch.vsctl(*commands)

    def peers(self, host):
        """Provider addresses of all other hosts."""
        return [pa for h in self.hosts.values() if h is not host
                for pa in h.pas]

    def guests_on(self, host):
        return [g for g in self.guests.values() if g.vm.host == host.name]

    def down(self):
        """Removes everything there is.  Agents go first, while their switch
        still runs, so that they end as they do in life."""
        agents = [h.agent.pid() for h in self.hosts.values()]
        netns.end_processes([pid for pid in agents if pid])
        self._end_all_processes()
        netns.delete(self.namespaces())
        remove_folder(self.folder)

    def plug(self, guest):
        """Puts the guest's cable into its host's switch."""
        self.host(guest.vm.host).switch.vsctl(*guest.plug_commands())

    def unplug(self, guest):
        self.host(guest.vm.host).switch.vsctl(*guest.unplug_commands())

    def move(self, guest, host):
        """Unplugs the guest where it is and plugs it in at another host.
        Returns for how many seconds it had no port: from when its old switch
        had let go of it until its new one had it."""
        source = self.host(guest.vm.host)
        if source is host:
            raise LabError(f"guest {guest.name} is on host {host.name} "
                           "already")
        for end in (source, host):
            if not end.switch.vswitchd.pid():
                raise LabError(f"guest {guest.name} cannot be moved: host "
                               f"{end.name}'s ovs-vswitchd does not run")
        self.unplug(guest)
        gone = time.monotonic()
        guest.carry(source.namespace, host.namespace)
        guest.vm.host = host.name
        self.save()
        self.plug(guest)
        return time.monotonic() - gone

    def restart_switch(self, host):
        host.start_switch()
        host.meet_neighbours(self.peers(host))

    def save(self):
        """Replaces lab.json in one step: half a file is never seen."""
        path = f"{self.folder}/lab.json"
        with open(f"{path}.new", "w", encoding="utf-8") as f:
            json.dump({"lab": self.spec.to_json(),
                       "programs": asdict(self.programs)}, f, indent=2)
        os.rename(f"{path}.new", path)

    def _parts(self):
        return [self.underlay, *self.hosts.values(), *self.guests.values()]

    def _lay_cables(self):
        self.underlay.lay_cables([h.namespace for h in self.hosts.values()])
        for host in self.hosts.values():
            netns.ip(host.namespace,
                     [command for guest in self.guests_on(host)
                      for command in guest.cable_commands()])

    def _configure_guests(self):
        for guest in self.guests.values():
            guest.configure()

    def _end_all_processes(self):
        """Whatever runs in the lab's namespaces is the lab's: its daemons,
        and what 'exec' and 'host' left behind.  A process that forks and ends
        while we look can hide its child once, hardly twice."""
        calm = 0
        for _ in range(20):
            pids = netns.processes(self.namespaces())
            calm = 0 if pids else calm + 1
            if calm == 2:
                return
            netns.end_processes(pids)


def create(name, spec, programs):
    """A new lab of which only the folder exists."""
    try:
        _make_folder(folder_of(name))
    except FileExistsError:
        raise LabError(f'lab "{name}" exists already, perhaps in use; another '
                       '--name makes another lab, and "hnv-lab --name '
                       f'{name} down" removes this one with all that runs in '
                       'it') from None
    lab = Lab(name, spec, programs)
    lab.save()
    return lab


def load(name):
    folder = folder_of(name)
    if not os.path.isdir(folder):
        raise LabError(f'there is no lab "{name}" in {base_folder()}')
    try:
        with open(f"{folder}/lab.json", encoding="utf-8") as f:
            state = json.load(f)
        return Lab(name, lab_spec.from_json(state["lab"]),
                   Programs(**state["programs"]))
    except FileNotFoundError:
        raise LabError(f'lab "{name}" is only begun; "hnv-lab --name {name} '
                       'down" removes it') from None
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise LabError(f"{folder}/lab.json: {e}") from None


def remove(name):
    """Takes lab 'name' down, whatever there is of it."""
    folder = folder_of(name)
    if os.path.isdir(folder) and not os.path.exists(f"{folder}/lab.json"):
        remove_folder(folder)
        return
    load(name).down()


def build(name, spec, programs, keep=False, when_up=lambda: None):
    """A new lab, complete, or none at all and an exception.  'when_up' is
    called at the moment from which on the lab stays."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        lab = create(name, spec, programs)
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            lab.up()
            when_up()
        except BaseException:
            if not keep:
                lab.down()
            raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return lab


def folder_of(name):
    lab_spec.check_name("--name", name)
    folder = f"{base_folder()}/{name}"
    if len(folder) > FOLDER_MAX:
        raise LabError(f'"{folder}" is too long for the sockets in it: at '
                       f"most {FOLDER_MAX} characters")
    return folder


def _make_folder(folder):
    """Makes it, and the base folder, which the end of another lab, which was
    the last, can take away at any time."""
    for _ in range(100):
        os.makedirs(base_folder(), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.mkdir(folder)
            return
    raise LabError(f'"{folder}" cannot be made')


def remove_folder(folder):
    # A daemon's last act can be to remove its pidfile while we walk.
    for _ in range(10):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
        if not os.path.exists(folder):
            break
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        os.rmdir(base_folder())


def _member(members, name, kind):
    if name not in members:
        raise LabError(f'there is no {kind} "{name}" in this lab (there is: '
                       f"{', '.join(members) or 'none'})")
    return members[name]


def _parallel(jobs):
    """Runs all, then raises the first error of any.  When interrupted it
    still waits for what it began: nobody may build while another cleans up.
    """
    pool = concurrent.futures.ThreadPoolExecutor(WORKERS)
    try:
        futures = [pool.submit(job) for job in jobs]
        concurrent.futures.wait(futures)
    finally:
        pool.shutdown(cancel_futures=True)
    for future in futures:
        future.result()
