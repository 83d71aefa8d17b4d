# SPDX-License-Identifier: Apache-2.0
"""What system tests share: labs, and where the agent is."""

import itertools
import os
import sys

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "utilities"), HERE]

# pylint: disable=wrong-import-position
import extension  # noqa: E402
import firewall_rules  # noqa: E402
from hnvlab import lab as hnv_lab, netns  # noqa: E402
from hnvlab import spec as lab_spec  # noqa: E402


def _prefer_tools_of(vswitchd):
    """Tools that know what a switch of a built tree knows: those of the same
    tree, for all that tests run."""
    tools = os.path.join(os.path.dirname(os.path.dirname(vswitchd)),
                         "utilities")
    if os.access(os.path.join(tools, "ovs-ofctl"), os.X_OK):
        os.environ["PATH"] = tools + os.pathsep + os.environ["PATH"]


_prefer_tools_of(extension.EXTENDED or "")


def agent_path():
    return os.environ.get("HNV_AGENT",
                          os.path.join(TOP, "build", "agent", "hnv-agent"))


def pytest_collection_modifyitems(items):
    """Without root nothing here can run: then skip, and say so."""
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root"))


_numbers = itertools.count()


@pytest.fixture(scope="module")
def make_lab(tmp_path_factory):
    """make_lab(SPEC) builds a lab that is gone after the module's tests.
    Its name is its own, so that test files run side by side.  In the end each
    agent is asked to exit, and nothing alarming may be in its log, nor in
    what a sanitizer has to say."""
    reports = tmp_path_factory.mktemp("sanitizers")
    for sanitizer in ("ASAN", "UBSAN", "LSAN"):
        os.environ[f"{sanitizer}_OPTIONS"] = f"log_path={reports}/report"
    made = []

    def make(description, *agent_args, vswitchd=None, backend=None):
        name = f"t{os.getpid()}x{next(_numbers)}"
        spec = lab_spec.from_json(description)
        chosen = backend or os.environ.get("HNV_BACKEND", "stock")
        programs = hnv_lab.Programs(
            agent_path(), list(agent_args),
            vswitchd=vswitchd or os.environ.get(
                "HNV_VSWITCHD",
                extension.EXTENDED if chosen == "hnv" else "ovs-vswitchd"),
            backend=chosen)
        lab = hnv_lab.build(name, spec, programs)
        made.append(lab)
        return lab

    yield make
    alarms = []
    for lab in made:
        try:
            for host in lab.hosts.values():
                _ask_to_exit(host)
        except hnv_lab.LabError as e:
            alarms.append(str(e))
        alarms += _alarming_lines(lab)
        lab.down()
    for report in sorted(os.listdir(reports)):
        with open(f"{reports}/{report}", encoding="utf-8",
                  errors="replace") as f:
            alarms.append(f.read())
    assert not alarms, "\n".join(alarms)


@pytest.fixture(name="firewall")
def _firewall(world):
    """firewall(a1=RULES, ...) makes these the only rules of guests of a
    module's 'world', until the test ends; 'forget' as in World.apply()."""
    changed = set()

    def change(forget=True, **rules_of):
        changed.update(rules_of)
        firewall_rules.set_rules(world, rules_of, forget)

    yield change
    firewall_rules.set_rules(world, {guest: firewall_rules.allow_all()
                                     for guest in changed})
    firewall_rules.forget_connections(world, *world.lab.hosts)


def _ask_to_exit(host):
    """The way to end that frees all memory, so that leaks show."""
    pid = host.agent.pid()
    if pid:
        netns.run(["ovs-appctl", "-T", "20", "-t",
                   f"{host.folder}/hnv-agent.{pid}.ctl", "exit"])
        netns.end_processes([pid], 0, patience=20)


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
