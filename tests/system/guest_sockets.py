# SPDX-License-Identifier: Apache-2.0
"""Sockets of guests' own stacks, to have real connections with."""

import contextlib
import select
import socket
import threading
import time

from hnvlab import netns

TIMEOUT = 10.0
# For what should not come: many times what it takes if it does.
PATIENCE = 0.3
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def guest_socket(world, guest, kind, address, port=0):
    """A socket of a guest, bound to its address."""
    with netns.entered(world.lab.guest(guest).namespace):
        s = socket.socket(family_of(address), kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(TIMEOUT)
    s.bind((address, port))
    return s


def socket_pair(world, kind, client, server, address):
    """A socket of each of two guests' own stacks, the server's bound to its
    address; where the client's packets come from its stack decides."""
    made = []
    for guest in (client, server):
        with netns.entered(world.lab.guest(guest).namespace):
            made.append(socket.socket(family_of(address), kind))
        made[-1].settimeout(20)
    made[1].bind((address, 0))
    return made


@contextlib.contextmanager
def listening(world, guest, address, port):
    with guest_socket(world, guest, TCP, address, port) as s:
        s.listen(16)
        yield s


class Connection:
    """A TCP connection between two guests, (name, address) each."""

    def __init__(self, world, client, server, port, patience=TIMEOUT,
                 from_port=0):
        with listening(world, *server, port) as listener:
            self.near = guest_socket(world, client[0], TCP, client[1],
                                     from_port)
            try:
                self.near.settimeout(patience)
                self.near.connect((server[1], port))
                self.far = listener.accept()[0]
            except BaseException:
                self.near.close()
                raise
        self.far.settimeout(TIMEOUT)
        self.near.settimeout(TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """At once, with no farewell that could be in another's way."""
        for s in (self.near, self.far):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         b"\1\0\0\0\0\0\0\0")
            s.close()

    def assert_alive(self):
        """Data comes through, either way."""
        for a, b in ((self.near, self.far), (self.far, self.near)):
            a.sendall(b"are you there?")
            got = b""
            while len(got) < 14:
                got += b.recv(14 - len(got))
            assert got == b"are you there?"

    def assert_dead(self):
        """Data comes through neither way."""
        for a, b in ((self.near, self.far), (self.far, self.near)):
            a.sendall(b"hello?")
            b.settimeout(PATIENCE)
            try:
                got = b.recv(1)
            except TimeoutError:
                got = None
            finally:
                b.settimeout(TIMEOUT)
            assert got is None, f"got {got}"


def assert_connects(world, client, server, port):
    """A TCP connection comes about, with data on it."""
    with Connection(world, client, server, port) as connection:
        connection.assert_alive()


def assert_no_connection(world, client, server, port):
    try:
        with Connection(world, client, server, port, PATIENCE):
            pass
    except TimeoutError:
        return
    raise AssertionError(f"{client} has a connection to {server}, {port}")


@contextlib.contextmanager
def _asked(world, client, server, port):
    with guest_socket(world, *_udp(server), port) as far, \
            guest_socket(world, *_udp(client)) as near:
        near.sendto(b"question", (server[1], port))
        yield near, far


def assert_answers(world, client, server, port):
    """A datagram arrives, and its answer."""
    with _asked(world, client, server, port) as (near, far):
        _, asker = far.recvfrom(100)
        far.sendto(b"answer", asker)
        assert near.recv(100) == b"answer"


def assert_no_answer(world, client, server, port):
    """A datagram does not even arrive."""
    with _asked(world, client, server, port) as (_, far):
        assert not select.select([far], [], [], PATIENCE)[0]


def _udp(end):
    return end[0], UDP, end[1]


def assert_refused(world, client, to, port):
    """A guest's stack is told that a datagram found nobody."""
    with guest_socket(world, *_udp(client)) as s:
        s.connect((to, port))
        s.send(b"question")
        try:
            s.recv(1)
        except ConnectionRefusedError:
            return
    raise AssertionError("an answer from nobody")


class Stream:
    """Numbered datagrams, one per 'pause_s', on one connection; the receiver
    answers the first, so that both sides have spoken."""

    def __init__(self, world, client, server, port, pause_s=0.01):
        self.far = guest_socket(world, *_udp(server), port)
        self.near = guest_socket(world, *_udp(client))
        self.near.connect((server[1], port))
        self.pause_s = pause_s
        self.sent, self.received = 0, []    # Then: (number, when).
        self.ending = threading.Event()
        self._send()
        self._receive(TIMEOUT)
        self.threads = [threading.Thread(target=job)
                        for job in (self._keep_sending, self._keep_receiving)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.near.close()
        self.far.close()

    def stop(self):
        """Sends no more."""
        self.ending.set()
        for thread in self.threads:
            if thread.is_alive():
                thread.join()

    def numbers(self):
        """Of all that came, once the last has, or nothing comes any more.  In
        order: of what it reads at once, Open vSwitch's userspace datapath
        first sends on what it has cached nothing about."""
        self.stop()
        with contextlib.suppress(TimeoutError):
            while len(self.received) < self.sent:
                self._receive(TIMEOUT)
        return sorted(number for number, _ in self.received)

    def last_arrival(self):
        return self.received[-1][1]

    def _send(self):
        self.near.send(str(self.sent).encode())
        self.sent += 1

    def _receive(self, timeout):
        self.far.settimeout(timeout)
        data, asker = self.far.recvfrom(100)
        self.received.append((int(data), time.monotonic()))
        if len(self.received) == 1:
            self.far.sendto(b"yes", asker)
            self.near.recv(10)

    def _keep_sending(self):
        while not self.ending.wait(self.pause_s):
            with contextlib.suppress(ConnectionRefusedError):
                self._send()

    def _keep_receiving(self):
        while not self.ending.is_set():
            with contextlib.suppress(TimeoutError):
                self._receive(PATIENCE)
