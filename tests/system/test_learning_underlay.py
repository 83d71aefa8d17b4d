# SPDX-License-Identifier: Apache-2.0
"""Learning between hosts with IPv6 provider addresses.  See learning.py and
test_ipv6_underlay.py for who is where."""

import pytest

import world as w
from learning import learned, learning_policy, reported, wait_for
from test_ipv6_underlay import GUESTS, PAS, description


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def world(request, make_lab):
    plain = w.policy(request.param, hosts=PAS,
                     vms=[v for v in w.VMS if v.name in GUESTS])
    return w.World(make_lab(description()), learning_policy(plain=plain))


def test_both_sides_know_each_other(world):
    encap = world.policy.encap
    world.ping("a1", w.ca("a3"), 2)
    wait_for(lambda: learned(world, "h1").get(w.ca("a3"))
             == (w.mac("a3"), f"{PAS['h2']} {encap}"), "known on h1")
    wait_for(lambda: learned(world, "h2").get(w.ca("a1"))
             == (w.mac("a1"), f"{PAS['h1']} {encap}"), "known on h2")
    wait_for(lambda: reported(world, "h2") == {
        w.ca("a3"): (w.mac("a3"), PAS["h2"], f"{encap}_over_ipv6")},
        "reported")
    world.ping("a3", w.ca("a1"), 2)
    world.ping_soon("b1", w.ca("a4"))
