# SPDX-License-Identifier: Apache-2.0
"""Network namespaces: commands and system calls inside them.

Nothing here, or in what uses it, ever makes a link, an address or a route in
the namespace it was started in: links are born in a namespace of the lab."""

import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import time

from .errors import LabError

RUN_DIR = "/run/netns"
CLONE_NEWNET = 0x40000000

# What shells exit with, too.
NO_SUCH_COMMAND = 127

SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM = 0x17

_libc = ctypes.CDLL(None, use_errno=True)


def run(args, stdin=None, timeout=60):
    """Runs a command, returns its output; LabError if it does not end well.
    """
    try:
        done = subprocess.run(args, input=stdin, text=True, timeout=timeout,
                              stdin=None if stdin else subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise LabError(f"{args[0]}: this program is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(args)}: no end after {timeout} s"
                       ) from None
    if done.returncode:
        why = done.stderr.strip() or f"exit status {done.returncode}"
        raise LabError(f"{' '.join(args)}: {why}")
    return done.stdout


def exists(name):
    return os.path.exists(f"{RUN_DIR}/{name}")


def create(names):
    taken = [n for n in names if exists(n)]
    if taken:
        raise LabError(f'network namespace "{taken[0]}" exists already and '
                       "does not belong to this lab; choose another --name")
    run(["ip", "-batch", "-"], "".join(f"netns add {n}\n" for n in names))


def delete(names):
    present = [n for n in names if exists(n)]
    if present:
        run(["ip", "-batch", "-"],
            "".join(f"netns del {n}\n" for n in present))


def ip(name, commands, options=()):
    """Runs many 'ip' commands in one namespace, as one process."""
    if not commands:
        return
    try:
        run(command(name, ["ip", *options, "-batch", "-"]),
            "".join(f"{c}\n" for c in commands))
    except LabError as e:
        raise LabError(f"{e} (commands: {'; '.join(commands)})") from None


def command(name, args):
    """'args' as a command line that runs inside a namespace.  "ip netns exec"
    would also remount /sys, which fails where / is no mount point, as in a
    chroot, and which nothing here needs."""
    return ["nsenter", f"--net={RUN_DIR}/{name}", "--", *args]


def become(name, args, env=None):
    """Turns this process into a command inside a namespace, so that signals,
    terminal and exit status are the command's own."""
    if not shutil.which(args[0]):
        raise LabError(f"{args[0]}: no such command", NO_SUCH_COMMAND)
    full = command(name, args)
    os.execvpe(full[0], full, {**os.environ, **(env or {})})


@contextlib.contextmanager
def entered(name):
    """This thread, for a while, inside a namespace: for sockets, which stay
    in the namespace they are made in, and for sysctls."""
    old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        new = os.open(f"{RUN_DIR}/{name}", os.O_RDONLY)
        try:
            _setns(new)
        finally:
            os.close(new)
        try:
            yield
        finally:
            _setns(old)
    finally:
        os.close(old)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def sysctl(name, settings):
    """Sets sysctls, given as 'net/ipv4/ip_forward' -> 1, in a namespace."""
    with entered(name):
        for key, value in settings.items():
            with open(f"/proc/sys/{key}", "w", encoding="ascii") as f:
                f.write(f"{value}\n")


# A userspace switch takes a copy of what arrives on its ports, and the kernel
# sees it as well.  Unless it is told not to, it answers ARP for any address it
# has, on any of them, and forwards what it gets, as a second, ghostly router.
# So in a namespace with a switch links are deaf by default: no IPv6, and no
# IPv4 from where the route back does not lead, which without an address is
# everywhere.  ARP is switched off link by link ("arp off").
PORTS_UNHEARD = {
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 1,
    "net/ipv6/conf/default/disable_ipv6": 1,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/accept_ra": 0,
}


def hear(name, link, version):
    """Undoes PORTS_UNHEARD for a switch's own port, which shall have an
    address of this IP version."""
    sysctl(name, {f"net/ipv4/conf/{link}/rp_filter": 0})
    if version == 6:
        sysctl(name, {f"net/ipv6/conf/{link}/disable_ipv6": 0})


def checksum_in_software(name, link):
    """Makes the kernel fill in checksums of what a guest sends.  On veth it
    would leave that to the hardware, which here is a switch in userspace that
    passes packets on as they come."""
    value = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP", link.encode(), ctypes.addressof(value))
    with entered(name):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, SIOCETHTOOL, request)


def processes(names):
    """Ids of the processes that run in any of these namespaces."""
    wanted = set()
    for name in names:
        with contextlib.suppress(OSError):
            st = os.stat(f"{RUN_DIR}/{name}")
            wanted.add((st.st_dev, st.st_ino))
    # A command that was told to end its own lab must live to do it.
    spared = ancestors(os.getpid())
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in spared:
            with contextlib.suppress(OSError):
                st = os.stat(f"/proc/{entry}/ns/net")
                if (st.st_dev, st.st_ino) in wanted:
                    found.append(int(entry))
    return found


def ancestors(pid):
    """'pid', its parent, and so on."""
    result = set()
    while pid > 1:
        result.add(pid)
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8",
                      errors="replace") as f:
                pid = int(f.read().rpartition(")")[2].split()[1])
        except OSError:
            break
    return result


def is_inside(pid, name):
    """Whether process 'pid' runs in the namespace."""
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/ns/net"),
                                os.stat(f"{RUN_DIR}/{name}"))
    except OSError:
        return False


def end_processes(pids, first=signal.SIGTERM, patience=5.0):
    """Sends 'first', and SIGKILL to what is left after 'patience' seconds.
    Returns when none of them is left."""
    watched = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            watched[os.pidfd_open(pid)] = pid
    try:
        for sig, limit in ((first, patience), (signal.SIGKILL, 10.0)):
            for fd in watched:
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(fd, sig)
            for fd in _ended(watched, limit):
                os.close(fd)
                del watched[fd]
    finally:
        for fd in watched:
            os.close(fd)


def _ended(fds, limit):
    """Those of the pidfds whose process ends within 'limit' seconds."""
    poller, ended = select.poll(), []
    for fd in fds:
        poller.register(fd, select.POLLIN)
    deadline = time.monotonic() + limit
    while len(ended) < len(fds):
        left = deadline - time.monotonic()
        ready = poller.poll(left * 1000) if left > 0 else []
        if not ready:
            break
        for fd, _ in ready:
            poller.unregister(fd)
            ended.append(fd)
    return ended
