# SPDX-License-Identifier: Apache-2.0
"""The packet walks by which network virtualization is usually explained, step
by step: what each guest sees and what is on the wire between the hosts when a
guest pings another with its own stack, and knows nobody's MAC yet.

A view is a list of lines, in order: what was seen at one place."""

import contextlib

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP

import world as w
from learning import (
    VSID, at, forget_neighbors, learned, learning_policy, start_over,
    wait_for)
from wire import BROADCAST, Outer, guest_tap, is_tunnelled, uplink_tap

GUESTS = ("a1", "a2", "a3", "b1", "b2")
NAME_OF_MAC = {w.ROUTER_MAC: "router", BROADCAST: "all",
               **{w.mac(n): n for n in GUESTS}}
NAME_OF_CA = {w.GATEWAY_A: "gateway", w.GATEWAY_B: "gateway",
              **{w.ca(n): n for n in GUESTS}}


def frame(packet):
    """What a guest's frame says, in a line; None for what is no matter of a
    walk, like a kernel's router solicitations."""
    ends = (f"{NAME_OF_MAC.get(packet.src, packet.src)}>"
            f"{NAME_OF_MAC.get(packet.dst, packet.dst)}")
    if ARP in packet:
        arp = packet[ARP]
        asked, teller = (NAME_OF_CA.get(a, a) for a in (arp.pdst, arp.psrc))
        if arp.op == 1:
            return f"{ends} {teller} asks for {asked}"
        return (f"{ends} {teller} is at "
                f"{NAME_OF_MAC.get(arp.hwsrc, arp.hwsrc)}")
    if ICMP in packet and packet[ICMP].type in (0, 8):
        src, dst = (NAME_OF_CA.get(a, a)
                    for a in (packet[IP].src, packet[IP].dst))
        kind = "ping" if packet[ICMP].type == 8 else "answer"
        return f"{ends} {kind} {src}>{dst} TTL {packet[IP].ttl}"
    return None


def tunnelled(packet):
    """The same for a packet between hosts: who to whom, which subnet."""
    if not is_tunnelled(packet):
        return None
    outer = Outer(packet)
    host = {pa: name for name, pa in w.PAS.items()}
    inner = frame(outer.inner)
    vsid = outer.vni if outer.kind == "vxlan" else outer.vsid
    return (inner and f"{host[outer.src]}>{host[outer.dst]} VSID {vsid}: "
            + inner)


class Walk:
    """One ping, seen at the guests and on the hosts' uplinks."""

    def __init__(self, world, source, target):
        forget_neighbors(world, *GUESTS)
        hosts = sorted(world.lab.hosts)
        with contextlib.ExitStack() as stack:
            guests = {g: stack.enter_context(guest_tap(world.lab, g))
                      for g in GUESTS}
            uplinks = {h: stack.enter_context(uplink_tap(world.lab, h))
                       for h in hosts}
            world.ping(source, w.ca(target))
            self.guests = {g: view(tap, frame)
                           for g, tap in guests.items()}
            self.uplinks = {h: view(tap, tunnelled)
                            for h, tap in uplinks.items()}

    def seen(self, guest):
        return self.guests[guest]

    def wire(self, host):
        return self.uplinks[host]


def view(tap, line):
    return [text for text in map(line, tap.packets(0.1, outgoing=True))
            if text]


@pytest.fixture(scope="module", params=["vxlan", "nvgre"])
def lab_world(request, make_lab):
    return w.World(make_lab(w.description()), w.policy(request.param))


@pytest.fixture
def world(lab_world):
    """All mappings are known, and nothing is learned."""
    lab_world.apply(w.policy(lab_world.policy.encap))
    return lab_world


def test_same_subnet_on_one_host(world):
    walk = Walk(world, "a1", "a2")
    assert walk.seen("a1") == [
        # 1. The sender asks the whole subnet for the other's MAC.
        "a1>all a1 asks for a2",
        # 2. The switch answers in the other's stead.
        "a2>a1 a2 is at a2",
        # 3. The sender's packet goes to that MAC.
        "a1>a2 ping a1>a2 TTL 64",
        # 7. And has its answer.
        "a2>a1 answer a2>a1 TTL 64"]
    assert walk.seen("a2") == [
        # 4. The receiver has heard no question, and gets the packet as it
        #    was sent.
        "a1>a2 ping a1>a2 TTL 64",
        # 5. Its own question is answered by the switch, too.
        "a2>all a2 asks for a1",
        "a1>a2 a1 is at a1",
        # 6. It answers.
        "a2>a1 answer a2>a1 TTL 64"]
    # 8. Nothing has left the host.
    assert walk.wire("h1") == []


def test_two_subnets_on_one_host(world):
    walk = Walk(world, "a1", "b1")
    assert walk.seen("a1") == [
        # 1. The other is in another subnet: the sender asks for its gateway.
        "a1>all a1 asks for gateway",
        # 2. The switch answers with the distributed router's MAC.
        "router>a1 gateway is at router",
        # 3. The packet goes to the router,
        "a1>router ping a1>b1 TTL 64",
        # 7. from which the answer comes.
        "router>a1 answer b1>a1 TTL 63"]
    assert walk.seen("b1") == [
        # 4. On this very host it is routed: new MACs, a TTL less one.
        "router>b1 ping a1>b1 TTL 63",
        # 5. The receiver asks for the gateway of its own subnet,
        "b1>all b1 asks for gateway",
        "router>b1 gateway is at router",
        # 6. and answers through it.
        "b1>router answer b1>a1 TTL 64"]
    # 8. The packet has not left the host for being routed.
    assert walk.wire("h1") == []


def test_two_subnets_on_two_hosts(world):
    walk = Walk(world, "a1", "b2")
    assert walk.seen("a1") == [
        # 1. The sender asks for its gateway.
        "a1>all a1 asks for gateway",
        # 2. The switch of its host answers.
        "router>a1 gateway is at router",
        # 3. The packet goes to the router.
        "a1>router ping a1>b2 TTL 64",
        # 8. The answer was routed on the other host.
        "router>a1 answer b2>a1 TTL 63"]
    on_the_wire = [
        # 4. The sender's host has routed it: inside are the receiver's MAC
        #    and a TTL less one; outside are the PAs, and the VSID is the
        #    destination's.
        "h1>h2 VSID 5002: router>b2 ping a1>b2 TTL 63",
        # 7. The answer is routed where it comes from, likewise.
        "h2>h1 VSID 5001: router>a1 answer b2>a1 TTL 63"]
    assert walk.wire("h1") == on_the_wire
    assert walk.wire("h2") == on_the_wire
    assert walk.seen("b2") == [
        # 5. The receiver's host only delivers: the packet is as it was on the
        #    wire.
        "router>b2 ping a1>b2 TTL 63",
        # 6. The router that the receiver finds is its own host's.
        "b2>all b2 asks for gateway",
        "router>b2 gateway is at router",
        "b2>router answer b2>a1 TTL 64"]


def test_same_subnet_on_two_hosts_without_learning(world):
    walk = Walk(world, "a1", "a3")
    assert walk.seen("a1") == [
        # 1. The sender asks the whole subnet.
        "a1>all a1 asks for a3",
        # 2. The switch of its own host answers from the mapping.
        "a3>a1 a3 is at a3",
        # 3. The packet goes to that MAC.
        "a1>a3 ping a1>a3 TTL 64",
        "a3>a1 answer a3>a1 TTL 64"]
    on_the_wire = [
        # 4. No question was on the wire.  The packet is as the guest sent
        #    it, between the PAs, with the subnet's VSID.
        "h1>h2 VSID 5001: a1>a3 ping a1>a3 TTL 64",
        # 6. The answer comes back likewise.
        "h2>h1 VSID 5001: a3>a1 answer a3>a1 TTL 64"]
    assert walk.wire("h1") == on_the_wire
    assert walk.wire("h2") == on_the_wire
    assert walk.wire("h3") == []
    assert walk.seen("a3") == [
        # 5. The receiver's host takes the outside off and delivers.
        "a1>a3 ping a1>a3 TTL 64",
        "a3>all a3 asks for a1",
        "a1>a3 a1 is at a1",
        "a3>a1 answer a3>a1 TTL 64"]
    assert walk.seen("a2") == []


def test_same_subnet_on_two_hosts_with_learning(lab_world):
    world = lab_world
    start_over(world, learning_policy(world.policy.encap))
    assert not learned(world, "h1") and not learned(world, "h2")
    question, told = "a1>all a1 asks for a3", "a3>a1 a3 is at a3"
    ping, answer = "a1>a3 ping a1>a3 TTL 64", "a3>a1 answer a3>a1 TTL 64"

    walk = Walk(world, "a1", "a3")
    # 1. The sender asks the whole subnet; no policy knows the other.
    # 6. The owner itself answers,
    # 7. and packets go.
    assert without_news(walk.seen("a1")) == [question, told, ping, answer]
    # 2. Other guests of the subnet on this host hear the question, those of
    #    other subnets do not.
    assert walk.seen("a2")[0] == question
    assert walk.seen("b1") == walk.seen("b2") == []
    # 3. A copy goes to each PA of the subnet.
    assert walk.wire("h3")[0] == f"h1>h3 VSID {VSID}: {question}"
    # 4. The owner hears the question, once.
    assert without_news(walk.seen("a3")) == [question, told, ping, answer]
    # 5. One answer comes back, then packets in both directions.
    on_the_way = [f"h1>h2 VSID {VSID}: {question}",
                  f"h2>h1 VSID {VSID}: {told}",
                  f"h1>h2 VSID {VSID}: {ping}",
                  f"h2>h1 VSID {VSID}: {answer}"]
    assert [line for line in without_news(walk.wire("h2"))
            if "h3" not in line] == on_the_way

    # 8. Both hosts know both guests now.
    for host, mine, other, theirs in (("h1", "a1", "h2", "a3"),
                                      ("h2", "a3", "h1", "a1")):
        wait_for(lambda: learned(world, host) == {
            w.ca(mine): (w.mac(mine), "here"),
            w.ca(theirs): (w.mac(theirs), at(world, other))},
            f"both known on {host}")
        w.forget_cached(world.lab.host(host))

    # 9. From now on it is as if policy had told them: the switch answers, no
    #    question leaves, and nobody else hears anything.
    walk = Walk(world, "a1", "a3")
    assert without_news(walk.seen("a1")) == [question, told, ping, answer]
    assert without_news(walk.wire("h1")) == on_the_way[2:]
    assert without_news(walk.seen("a2")) == []


def without_news(lines):
    """Without what a host that learns of a guest tells the others, which
    comes when it has time."""
    return [line for line in lines
            if not line.endswith(("a1>all a1 is at a1", "a3>all a3 is at a3"))]
