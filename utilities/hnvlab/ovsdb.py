# SPDX-License-Identifier: Apache-2.0
"""A small OVSDB client (RFC 7047) for tools that send JSON as it is.

It knows no schema and keeps no replica; python3-openvswitch's IDL does both.
What it adds to that is to be light: the standard library's JSON parser, one
socket, no event loop."""

import collections
import json
import re
import select
import socket
import time

from .errors import LabError

CHUNK = 1 << 20
SPACE = re.compile(r"\s*")


class OvsdbError(LabError):
    """The server refused, or the connection is gone."""


class OvsdbTimeout(OvsdbError):
    """The time given is over."""


class Client:
    """A connection to 'remote': unix:PATH or tcp:HOST:PORT."""

    def __init__(self, remote, timeout=30):
        self.remote = remote
        self.timeout = timeout
        self._buffer = bytearray()
        self._messages = collections.deque()
        self._notes = collections.deque()
        self._next_id = 0
        self._socket = _connect(remote, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self._socket.close()

    def call(self, method, params, timeout=None):
        """Sends a request, returns the reply's result."""
        self._next_id += 1
        self._send({"method": method, "params": params, "id": self._next_id})
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            message = self._receive(deadline)
            if "method" in message:
                self._notes.append(message)
            elif message.get("id") == self._next_id:
                if message.get("error") is not None:
                    raise OvsdbError(error_text(message["error"]))
                return message["result"]

    def transact(self, db, *operations, timeout=None):
        """Returns the list of results; OvsdbError if one of them failed."""
        results = self.call("transact", [db, *operations], timeout)
        failed = failure(results)
        if failed:
            raise OvsdbError(f"operation {failed[0] + 1}: {failed[1]}")
        return results

    def notification(self, deadline):
        """The next message that the server sent by itself."""
        if self._notes:
            return self._notes.popleft()
        while True:
            message = self._receive(deadline)
            if "method" in message:
                return message

    def _send(self, message):
        try:
            self._socket.sendall(json.dumps(message).encode())
        except OSError as e:
            raise OvsdbError(f"{self.remote}: {e.strerror or e}") from None

    def _receive(self, deadline):
        """The next message but echo requests, which it answers."""
        while True:
            while not self._messages:
                self._read(deadline)
            message = self._messages.popleft()
            if message.get("method") != "echo":
                return message
            self._send({"result": message["params"], "error": None,
                        "id": message["id"]})

    def _read(self, deadline):
        left = deadline - time.monotonic()
        try:
            if left <= 0 or not select.select([self._socket], [], [],
                                              left)[0]:
                raise OvsdbTimeout(f"{self.remote}: no answer in time")
            data = self._socket.recv(CHUNK)
        except OSError as e:
            raise OvsdbError(f"{self.remote}: {e.strerror or e}") from None
        if not data:
            raise OvsdbError(f"{self.remote}: the server closed the "
                             "connection")
        self._buffer += data
        # Messages follow each other without a separator, and each ends in
        # "}".  The server always finishes what it began, so nothing is lost
        # by not looking before the buffer ends in one, and a big reply, which
        # comes in many pieces, is not parsed over and over.
        if data.endswith(b"}"):
            self._parse()

    def _parse(self):
        """Moves the whole messages in the buffer to the queue."""
        decoder = json.JSONDecoder()
        try:
            text = self._buffer.decode()
        except UnicodeDecodeError:
            raise OvsdbError(f"{self.remote}: not UTF-8") from None
        start = 0
        while start < len(text):
            try:
                message, start = decoder.raw_decode(text, start)
            except ValueError:
                break
            self._messages.append(message)
            start = SPACE.match(text, start).end()
        self._buffer = bytearray(text[start:].encode())


def failure(results):
    """(index, text) of the first error among a transaction's results, or
    None.  An error at commit comes after the operations' own results."""
    for i, result in enumerate(results):
        if isinstance(result, dict) and "error" in result:
            return i, error_text(result)
    return None


def error_text(error):
    """An error object of the protocol as a sentence."""
    if not isinstance(error, dict):
        return str(error)
    text = str(error.get("error", "error"))
    return f"{text}: {error['details']}" if error.get("details") else text


def _connect(remote, timeout):
    kind, _, where = remote.partition(":")
    try:
        if kind == "unix":
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(timeout)
            s.connect(where)
        elif kind == "tcp":
            host, _, port = where.rpartition(":")
            s = socket.create_connection((host.strip("[]"), int(port)),
                                         timeout)
        else:
            raise OvsdbError(f'"{remote}" is neither unix:PATH nor '
                             "tcp:HOST:PORT")
    except (OSError, ValueError) as e:
        raise OvsdbError(f"{remote}: {getattr(e, 'strerror', '') or e}"
                         ) from None
    s.settimeout(None)
    return s
