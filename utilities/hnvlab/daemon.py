# SPDX-License-Identifier: Apache-2.0
"""One background process of the lab, known by its pidfile."""

import os
import signal
import subprocess
from dataclasses import dataclass, field
from typing import Dict, List

from . import netns
from .errors import LabError

LOG_LINES_SHOWN = 10


@dataclass
class Daemon:
    """A program that puts itself into the background with --detach once it is
    ready.  'args' includes its --pidfile and --log-file options."""
    title: str
    namespace: str
    pidfile: str
    logfile: str
    args: List[str]
    env: Dict[str, str] = field(default_factory=dict)

    def pid(self):
        """Its process id, or None.  A pidfile alone proves nothing: the
        process may be dead and its number may be someone else's by now."""
        try:
            with open(self.pidfile, encoding="ascii") as f:
                pid = int(f.read())
        except (OSError, ValueError):
            return None
        return pid if netns.is_inside(pid, self.namespace) else None

    def start(self, timeout=30):
        """Starts it, unless it runs; returns when it says that it is ready.
        """
        if self.pid():
            return
        full = netns.command(self.namespace, self.args)
        # Output goes to a file, not to a pipe: a daemon that keeps its
        # standard error open would keep the reader of a pipe waiting.
        with open(f"{self.logfile}.start", "w+", encoding="utf-8",
                  errors="replace") as out:
            try:
                status = subprocess.run(
                    full, env={**os.environ, **self.env}, timeout=timeout,
                    stdin=subprocess.DEVNULL, stdout=out, stderr=out
                ).returncode
            except subprocess.TimeoutExpired:
                raise LabError(f"{self.title} is not ready after {timeout} s"
                               f"{self._last_words(out)}") from None
            if status:
                raise LabError(f"{self.title} does not start (exit status "
                               f"{status}){self._last_words(out)}")

    def stop(self, sig=signal.SIGTERM):
        pid = self.pid()
        if pid:
            netns.end_processes([pid], sig)

    def _last_words(self, out):
        """What it printed and logged last, to go below an error message."""
        out.seek(0)
        lines = out.read().splitlines()
        try:
            with open(self.logfile, encoding="utf-8", errors="replace") as f:
                lines += f.read().splitlines()
        except OSError:
            pass
        return "".join(f"\n    {line}" for line in lines[-LOG_LINES_SHOWN:])
