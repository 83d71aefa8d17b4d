# SPDX-License-Identifier: Apache-2.0
"""What system tests share: labs, and where the agent is."""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "utilities"), HERE]

# pylint: disable=wrong-import-position
from hnvlab import lab as hnv_lab  # noqa: E402
from hnvlab import spec as lab_spec  # noqa: E402


def agent_path():
    return os.environ.get("HNV_AGENT",
                          os.path.join(TOP, "build", "agent", "hnv-agent"))


def pytest_collection_modifyitems(items):
    """Without root nothing here can run: then skip, and say so."""
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="module")
def make_lab(request):
    """make_lab(SPEC) builds a lab that is gone after the module's tests.
    Its name is its own, so that test files run side by side."""
    made = []

    def make(description, *agent_args):
        name = f"t{os.getpid()}x{len(made)}"
        spec = lab_spec.from_json(description)
        programs = hnv_lab.Programs(agent_path(), list(agent_args))
        lab = hnv_lab.build(name, spec, programs)
        made.append(lab)
        return lab

    yield make
    for lab in made:
        logs = _alarming_lines(lab)
        lab.down()
        assert not logs, "\n".join(logs)


# What no agent should ever say of itself.
ALARMS = ("ERROR: AddressSanitizer", "runtime error:", "|EMER|", "|ERR|",
          "this is a bug", "LeakSanitizer")


def _alarming_lines(lab):
    found = []
    for host in lab.hosts.values():
        if os.path.exists(host.agent.logfile):
            with open(host.agent.logfile, encoding="utf-8",
                      errors="replace") as f:
                found += [line.rstrip() for line in f
                          if any(a in line for a in ALARMS)]
    return found
