# SPDX-License-Identifier: Apache-2.0
"""Both backends forward alike: one policy and the same packets into both, and
what comes out is the same, byte for byte.

Policies and packets are random.  HNV_SEED repeats a run, whose seed a failure
prints; HNV_REPLAY is packets, as a failure prints them, to send in place of
random ones."""

import os
import random
from collections import Counter

import pytest
from scapy.layers.inet6 import ICMPv6ND_NS
from scapy.layers.l2 import ARP, Ether

import alike_policy
import alike_rewrite
import learning
import world as w
from alike import Pair, Side, is_uplink, parse_sent
from alike_packets import draw_attempts
from extension import EXTENDED, needs_extension
from firewall_rules import forget_connections
from hnvlab import netns
from waiting import until

pytestmark = needs_extension

SEED = int(os.environ.get("HNV_SEED", random.SystemRandom().getrandbits(32)))
REPLAY = os.environ.get("HNV_REPLAY")
# Of each policy, of which there are three in a run.
ATTEMPTS = int(os.environ.get("HNV_ALIKE_ATTEMPTS", "100"))
AT_ONCE = 20
# Agents that learn do some things when it is time; what is sent then may have
# other outcomes on both sides, but not time and again.
TIMED = "learning-subnets"
TRIES = 4
# Where the order of packets counts, or a packet may harm those that a switch
# sends with it: of several at once, it loses all after one that is too long.
ONE_BY_ONE = (TIMED, "short-uplinks")
BACKENDS = ("stock", "hnv")
# Rewritten packets have none.
OVERHEADS = 0, *range(42, 71)
# What hosts' stacks do takes rounds of its own, and they say things of theirs
# to guests' PAs, no more often than they like.
REWRITE_ROUNDS = 4
REWRITING = "ip-rewrite"
OF_STACKS = ["unknown-peer", "unknown-port"]


@pytest.fixture(name="pair", scope="module")
def fixture_pair(make_lab):
    fences = [vm for vm in alike_policy.VMS if vm.name in alike_policy.QUIET]
    result = Pair([Side(backend, make_lab(
        alike_policy.description(), vswitchd=EXTENDED, backend=backend),
        fences) for backend in BACKENDS])
    result.each(alike_rewrite.let_hosts_forward)
    yield result
    result.close()


class Trial:
    """One kind of policy."""

    def __init__(self, pair, kind):
        self.pair = pair
        self.rng = random.Random(f"{SEED} {kind}")
        self.title = f"HNV_SEED={SEED}, {kind}"
        self.policy = None
        self.stopped = None
        self.is_timed = kind == TIMED
        self.is_rewriting = kind == REWRITING
        self.at_once = 1 if kind in ONE_BY_ONE else AT_ONCE
        self.drops = self.pair.each(all_drops)

    def apply(self, policy):
        self.policy = policy
        self.pair.rounds = (REWRITE_ROUNDS if policy.rewriting else
                            3 if self.is_timed else 2)
        self.change(lambda side: apply(side, policy))

    def change(self, function):
        # Open vSwitch counts what it has not yet counted by what it does then.
        self.pair.each(all_drops)
        self.pair.each(function)

    def stop_a_guest(self):
        self.stopped = self.rng.choice(["a1", "a2", "a3", "b1", "b2"])
        self.change(lambda side: plug(side, self.stopped, False))

    def end(self):
        """All is as it was."""
        if self.stopped:
            self.pair.each(lambda side: plug(side, self.stopped, True))
        if self.is_timed:
            self.apply(self.policy.replace(config={}, untold=[]))
            until(lambda: not any(any(learned.values()) for learned in
                                  self.pair.each(what_is_learned)),
                  "nothing learned")
        self.pair.each(lambda side: forget_connections(side.world,
                                                       *side.lab.hosts))

    def send(self):
        """Sends random packets and compares what becomes of them."""
        n = ATTEMPTS if self.at_once > 1 else ATTEMPTS // 3
        attempts = ([[parse_sent(REPLAY)]] if REPLAY else
                    draw_attempts(self.rng, self.policy, n))
        for frames in steps(attempts, self.at_once):
            for _ in range(TRIES if self.is_timed else 1):
                outcomes = self.outcomes(frames)
                if outcomes[0] == outcomes[1]:
                    break
            else:
                raise AssertionError(self.explain(frames, outcomes))

    def outcomes(self, frames):
        found = self.pair.outcomes(frames)
        return ([without_questions(outcome) for outcome in found]
                if self.is_timed else found)

    def explain(self, frames, outcomes):
        """Says so of one of the frames if that alone has other outcomes."""
        for frame in frames:
            again = self.outcomes([frame])
            if again[0] != again[1]:
                return difference(self.title, [frame], again)
        return difference(f"{self.title}: together only", frames, outcomes)

    def assert_same_state(self):
        """What is said of it by either agent."""
        assert self.same(diagnostics), self.title
        if self.is_timed:
            until(lambda: self.same(what_is_learned), self.title)
        else:
            ignored = OF_STACKS if self.is_rewriting else ()
            drops = [difference_of(before, after, ignored) for before, after
                     in zip(self.drops, self.pair.each(all_drops))]
            assert drops[0] == drops[1], self.title

    def same(self, ask):
        said = self.pair.each(ask)
        return said[0] == said[1]


def steps(attempts, at_once):
    """Yields frames that may be sent at the same time, in order."""
    for i in range(0, len(attempts), at_once):
        some = attempts[i:i + at_once]
        for j in range(max(map(len, some))):
            yield [frame for attempt in some if j < len(attempt)
                   for frame in attempt[j]]


def without_questions(outcome):
    """Without those of the router, whether a guest is still there."""
    return Counter({(port, data): n for (port, data), n in outcome.items()
                    if not is_question(Ether(data))})


def is_question(packet):
    return packet.src == w.ROUTER_MAC and (
        (ARP in packet and packet[ARP].op == 1) or ICMPv6ND_NS in packet)


def difference(title, frames, outcomes):
    lines = [f"{title}: not the same becomes of",
             "HNV_REPLAY='" + " ".join(map(str, frames)) + "'"]
    lines += [f"  {f.port} sends {summary(f.port, f.data)}" for f in frames]
    for backend, mine, other in zip(BACKENDS, outcomes, outcomes[::-1]):
        lines.append(f"with {backend} alone there come")
        lines += [f"  {times} at {port}: {summary(port, data)}\n"
                  f"    {data.hex()}"
                  for (port, data), times in sorted((mine - other).items())]
    return "\n".join(lines)


def summary(port, data):
    if is_uplink(port) and data[12:14] not in (b"\x08\x00", b"\x86\xdd"):
        data = bytes(12) + (b"\x86\xdd" if data[:1] >= b"\x60"
                            else b"\x08\x00") + data
    return Ether(data).summary()


def apply(side, policy):
    set_uplink_mtu(side, policy.uplink_mtu)
    side.world.apply(policy)
    alike_rewrite.settle(side, policy)
    until(lambda: mtu_is_known(side, policy.uplink_mtu), "the MTU")
    side.heard(2)           # Router advertisements of a new policy's.


def set_uplink_mtu(side, mtu):
    for host in side.lab.hosts.values():
        netns.ip(host.namespace, [f"link set {uplink} mtu {mtu}"
                                  for uplink in host.uplinks()])


def mtu_is_known(side, mtu):
    """Of all ports that are there."""
    statuses = [dict(row["status"][1]) for host in side.lab.hosts
                for row in side.world.rows(host, "Physical_Port", ["status"])]
    return all(mtu - int(status["mtu"]) in OVERHEADS
               for status in statuses if "mtu" in status)


def plug(side, guest, is_in):
    member = side.lab.guest(guest)
    (side.lab.plug if is_in else side.lab.unplug)(member)
    side.world.transact(member.vm.host)


def all_drops(side):
    return {(host, reason): n for host in side.lab.hosts
            for reason, n in side.world.drops(host).items()}


def difference_of(before, after, ignored):
    return {(host, reason): n - before[host, reason]
            for (host, reason), n in after.items()
            if n != before[host, reason] and reason not in ignored}


def diagnostics(side):
    return {host: sorted(map(str, side.world.rows(
        host, "Diagnostic", ["table", "column", "code", "text"])))
        for host in side.lab.hosts}


def what_is_learned(side):
    return {(host, vsid): learning.learned(side.world, host, vsid)
            for host in side.lab.hosts for vsid in (5001, 5002, 5003)}


@pytest.mark.parametrize("kind", alike_policy.KINDS)
def test_the_same_becomes_of_the_same_packets(pair, kind):
    print(f"HNV_SEED={SEED}")
    trial = Trial(pair, kind)
    rng = trial.rng
    trial.apply(alike_policy.draw(rng, kind))
    try:
        trial.send()
        trial.apply(alike_policy.changed(rng, trial.policy))
        trial.send()
        trial.stop_a_guest()
        trial.apply(alike_policy.changed(rng, trial.policy))
        trial.send()
        trial.assert_same_state()
    finally:
        trial.end()
