# SPDX-License-Identifier: Apache-2.0
"""Packets that a switch takes off a link at once, most of them alike: what is
found out about one must not become of another that differs.

The extension's switch and stock flows get the same packets while they stand
still, so that they find them all together."""

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import alike_policy
import world as w
from alike import Sent
from alike_packets import BY_NAME, ca_of
from extension import needs_extension
from test_backends_alike import Trial, difference, fixture_pair

pytestmark = needs_extension

TRAIN = 32                      # As many as a switch takes at once.
TRAINS = 40
# Bytes of a frame that say where it goes and how: MAC, and of IPv4 and IPv6
# the first words and the end of the destination.
TELLING = [0, 5, 12, 14, 15, 16, 17, 20, 21, 22, 23, 33, 53]
# And others, up to the ports of IPv6.
HEADERS = range(14 + 40 + 8)
BITS = [0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7]
WAYS = [("a1", "a2"), ("a1", "a3"), ("a1", "a4"), ("a1", "b1"), ("a1", "b2"),
        ("a1", "c1"), ("a3", "a1"), ("b2", "a1"), ("a4", "a2")]


def base_frame(rng, way, family, is_routed):
    source, to = (BY_NAME[name] for name in way)
    l3 = (IP if family == 4 else IPv6)(src=ca_of(source, family),
                                       dst=ca_of(to, family))
    l4 = rng.choice([UDP(sport=1000, dport=2000), TCP(sport=1000, dport=80)])
    return bytearray(bytes(
        Ether(src=source.mac, dst=w.ROUTER_MAC if is_routed else to.mac)
        / l3 / l4 / Raw(bytes(rng.choice([10, 60, 1300])))))


def vary(rng, frame, number):
    """The frame with something else in its last bytes and, now and then, in
    one of its headers, or with another length."""
    frame = bytearray(frame)
    frame[-2:] = number.to_bytes(2, "big")
    if rng.random() < 0.4:
        at = rng.choice(TELLING if rng.random() < 0.7 else HEADERS)
        frame[min(at, len(frame) - 3)] ^= 1 << rng.choice(BITS)
    elif rng.random() < 0.1:
        frame += bytes(rng.randrange(1, 20))
    return frame


def draw_train(rng):
    """Two kinds of frames of one guest, often with their like."""
    source = rng.choice(WAYS)[0]
    ways = [way for way in WAYS if way[0] == source]
    bases = [base_frame(rng, rng.choice(ways), rng.choice([4, 6]),
                        rng.random() < 0.5) for _ in range(2)]
    frames, which = [], 0
    for number in range(TRAIN):
        if rng.random() < 0.2:
            which = 1 - which
        frames.append(Sent(source, bytes(vary(rng, bases[which], number))))
    return frames


def together(pair, frames):
    """What becomes of frames that the sender's switch finds at once."""
    host = BY_NAME[frames[0].port].host
    return pair.outcomes(frames, lambda side: w.paused(
        side.lab.host(host).switch.vswitchd))


@pytest.mark.parametrize("encap", ["vxlan", "nvgre"])
@pytest.mark.parametrize("kind", ["plain", "firewall"])
def test_trains(pair, kind, encap):
    """Between IPv4 PAs, for which outer headers are prepared most."""
    trial = Trial(pair, f"trains, {kind}, {encap}")
    rng = trial.rng
    policy = alike_policy.KINDS[kind](rng, alike_policy.base(rng))
    trial.apply(policy.replace(encap=encap, encap_of={},
                               hosts=alike_policy.PAS))
    for _ in range(TRAINS):
        frames = draw_train(rng)
        outcomes = together(pair, frames)
        assert outcomes[0] == outcomes[1], difference(trial.title, frames,
                                                      outcomes)
