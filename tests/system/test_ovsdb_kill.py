# SPDX-License-Identifier: Apache-2.0

"""What was answered is there after the agent was killed."""

import random
import subprocess
import threading
import time

import pytest

from ovsdb_peer import Agent, insert, need, select

ROUNDS = 10
WRITERS = 3


class Writer(threading.Thread):
    """Inserts rows, one transaction after the other, until it is cut off.
    'sent' and 'answered' are the numbers of their names."""

    def __init__(self, agent, name):
        super().__init__()
        self.rpc = agent.rpc()
        self.prefix = name
        self.sent = self.answered = 0

    def run(self):
        try:
            while True:
                name = f"{self.prefix}-{self.sent}"
                self.sent += 1
                self.rpc.transact("ms_vtep",
                                  insert("Logical_Switch", {"name": name}))
                self.answered = self.sent
        except OSError:
            pass
        finally:
            self.rpc.close()


def names(agent):
    return {row["name"]
            for row in select(agent, "ms_vtep", "Logical_Switch", "name")}


@pytest.mark.parametrize("compact", [False, True])
def test_answered_transactions_outlive_sigkill(tmp_path, compact):
    need("ovs-appctl")
    agent = Agent(tmp_path / "agent")
    try:
        kill_and_look(agent, compact)
    finally:
        agent.stop()


def kill_and_look(agent, compact):
    sent, answered = set(), set()

    for number in range(ROUNDS):
        agent.start()
        writers = [Writer(agent, f"{number}-{i}") for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(random.uniform(0.05, 0.4))
        if compact:
            compaction = subprocess.Popen(
                ["ovs-appctl", "-t", str(agent.folder / "ctl"),
                 "ovsdb-server/compact"], stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 0.03))
        agent.kill()
        if compact:
            compaction.wait()
        for writer in writers:
            writer.join()
            prefix = writer.prefix
            sent |= {f"{prefix}-{i}" for i in range(writer.sent)}
            answered |= {f"{prefix}-{i}" for i in range(writer.answered)}

        agent.start()
        there = names(agent)
        assert not answered - there
        assert not there - sent
        agent.kill()
    assert len(answered) > ROUNDS
