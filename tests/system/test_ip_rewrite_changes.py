# SPDX-License-Identifier: Apache-2.0
"""IP rewrite: what changes while it runs, what is wrong with it, and what it
leaves on the host.  See test_ip_rewrite.py for who is where."""

import dataclasses
import json
import time

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP

import world as w
from hnvlab import netns, policy as p
from hnvlab.errors import LabError
from test_ip_rewrite import PA, lab_mac, policy
from wire import Tap, echo, is_echo, is_tunnelled, uplink_tap

# In another network, which keeps its tunnels.
OLD_FASHIONED = [w.vm("t1", "h1", 7001, "10.1.1.11", "00:15:5d:00:03:01"),
                 w.vm("t3", "h2", 7001, "10.1.1.13", "00:15:5d:00:03:03")]


def first_policy():
    first = policy()
    return first.replace(
        vms=first.vms + OLD_FASHIONED,
        networks=first.networks + [p.Network("tailspin", [
            p.Subnet(7001, "10.1.1.0/24")])])


@pytest.fixture(scope="module")
def world(make_lab):
    lab = make_lab(w.description(w.VMS + OLD_FASHIONED))
    made = w.World(lab, first_policy())
    made.ping_soon("a1", w.ca("a3"))
    return made


@pytest.fixture(autouse=True)
def as_it_was(world):
    """Every test finds the first policy, and that it works."""
    yield
    world.apply(first_policy())
    world.ping_soon("a1", w.ca("a3"))


def eventually(condition, what, timeout=20):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not so in {timeout} s"
        time.sleep(0.02)


def with_pa(old, name, pa):
    return old.replace(vms=[
        dataclasses.replace(v, pas=[pa]) if v.name == name else v
        for v in old.vms])


def with_config(old, vsid, config):
    """The policy with a subnet's other_config, the guests of which have PAs
    of their own only if it is about IP rewrite."""
    rewrite = config.get("encapsulation") == "ip_rewrite"
    return old.replace(
        networks=[dataclasses.replace(n, subnets=[
            dataclasses.replace(s, other_config=config)
            if s.vsid == vsid else s for s in n.subnets])
            for n in old.networks],
        vms=[v if rewrite or v.vsid != vsid
             else dataclasses.replace(v, pas=[]) for v in old.vms])


def ip(world, host, *args):
    text = netns.run(netns.command(world.lab.host(host).namespace,
                                   ["ip", "-j", *args]))
    return json.loads(text or "[]")


def routes(world, host):
    """PAs that the host sends to the switch."""
    return sorted(r["dst"] for r in ip(world, host, "route", "show", "proto",
                                       "104"))


def proxies(world, host):
    """PAs that the host answers for on its uplink."""
    return sorted(n["dst"] for n in ip(world, host, "neigh", "show", "proxy")
                  if n["dev"] == "br-phy0")


def forwarding(world, host):
    with netns.entered(world.lab.host(host).namespace):
        with open("/proc/sys/net/ipv4/conf/br-phy0/forwarding",
                  encoding="ascii") as f:
            return f.read().strip()


def pas_of(host, *without):
    return sorted(PA[v.name] for v in w.VMS
                  if v.host == host and v.name not in without)


def is_set_up(world, host):
    return (routes(world, host) == proxies(world, host) == pas_of(host)
            and forwarding(world, host) == "1"
            and len(fence(world, host)) == 2)


def fence(world, host):
    """Rules that keep the uplink from forwarding anything else."""
    return [r for r in ip(world, host, "rule", "show")
            if r.get("protocol") == "104"]


def diagnostics(world, host="h1"):
    return sorted((r["table"], r["column"], r["code"]) for r in
                  world.rows(host, "Diagnostic", ["table", "column", "code"]))


def test_the_host_forwards_and_answers_for_its_guests(world):
    for host in w.PAS:
        eventually(lambda h=host: is_set_up(world, h), f"setup of {host}")
    links = ip(world, "h1", "link", "show", "hnv-rewrite")
    assert "NOARP" in links[0]["flags"] and "UP" in links[0]["flags"]


def test_another_pa_takes_effect(world):
    """Of a guest on each side, with an announcement where it is."""
    new = with_pa(with_pa(world.policy, "a3", "192.168.2.143"),
                  "a1", "192.168.1.141")
    with uplink_tap(world.lab, "h1") as uplink:
        world.apply(new)
        uplink.expect(lambda x: ARP in x and x[ARP].psrc == "192.168.1.141"
                      and x[ARP].pdst == "192.168.1.141", "announcement",
                      outgoing=True)
        world.ping_soon("a1", w.ca("a3"))
        uplink.expect(lambda x: ICMP in x and (x[IP].src, x[IP].dst) == (
            "192.168.1.141", "192.168.2.143"), "packet with the new PAs",
            outgoing=True)
    eventually(lambda: routes(world, "h1") == proxies(world, "h1")
               == sorted(pas_of("h1", "a1") + ["192.168.1.141"]),
               "old PA's end")


def test_a_guest_moves_with_its_pa(world):
    """To another host of the same provider subnet, and back."""
    lab, old = world.lab, world.policy
    for host in ("h1", "h3"):
        lab.move(lab.guest("a4"), lab.host(host))
        world.apply(old.moved("a4", host))
        world.ping_soon("a3", w.ca("a4"))
        world.ping_soon("a1", w.ca("a4"))
        eventually(lambda h=host: PA["a4"] in routes(world, h), "route")
    eventually(lambda: PA["a4"] not in routes(world, "h1"), "route's end")


def test_tunnels_beside_it(world):
    """Another network, with the same CAs, keeps its tunnels."""
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping_soon("t1", "10.1.1.13")
        uplink.expect(lambda x: is_tunnelled(x)
                      and x[IP].src == w.PAS["h1"], "tunnelled packet",
                      outgoing=True)


def test_from_rewrite_to_tunnels_and_back(world):
    """Without a subnet of that kind nothing is left of it on the host."""
    tunnelled = world.policy
    for vsid in (5001, 5002, 6001):
        tunnelled = with_config(tunnelled, vsid, {"encapsulation": "tunnel"})
    world.apply(tunnelled)
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping_soon("a1", w.ca("a3"))
        uplink.expect(is_tunnelled, "tunnelled packet", outgoing=True)
    for host in w.PAS:
        eventually(lambda h=host: "hnv-rewrite" not in world.lab.host(
            h).switch.vsctl(["list-ports", "br-int"]), "port's end")
        eventually(lambda h=host: not routes(world, h)
                   and not proxies(world, h), "routes' end")
        eventually(lambda h=host: forwarding(world, h) == "0"
                   and not fence(world, h), "forwarding's end")


def test_mixed_subnets_are_complained_of(world):
    """From 5001, with tunnels, nothing gets into 5002; but within it does."""
    world.apply(with_config(world.policy, 5001, {}))
    assert diagnostics(world) == [("Logical_Switch", "other_config",
                                   "OtherConfig")]
    world.ping_soon("b1", w.ca("b2"))
    world.ping_soon("a1", w.ca("a3"))
    with pytest.raises(LabError):
        world.ping("a1", w.ca("b2"))


@pytest.mark.parametrize("value", ["rewrite", "IP_REWRITE", ""])
def test_a_value_that_is_none_gets_a_diagnostic(world, value):
    """The subnet has its tunnels then, as by default."""
    world.apply(with_config(world.policy, 6001, {"encapsulation": value}))
    assert diagnostics(world) == [("Logical_Switch", "other_config",
                                   "OtherConfig")]
    with uplink_tap(world.lab, "h1") as uplink:
        world.ping_soon("x1", w.ca("x3"))
        uplink.expect(is_tunnelled, "tunnelled packet", outgoing=True)


def test_a_pa_of_two_cas_gets_a_diagnostic(world):
    """The first to have it keeps it, in whichever network."""
    world.apply(with_pa(world.policy, "x3", PA["a3"]))
    assert diagnostics(world) == [("Ucast_Macs_Remote", "locator",
                                   "PaDuplicate")]
    world.ping("a1", w.ca("a3"))


def test_a_pa_of_the_wrong_family_gets_a_diagnostic(world):
    world.apply(with_pa(world.policy, "x3", "2001:db8::33"))
    assert diagnostics(world) == [("Ucast_Macs_Remote", "locator",
                                   "EncapsulationMismatch")]
    world.ping("a1", w.ca("a3"))


def test_the_agent_restarts(world):
    """Traffic goes on without it.  What is not wanted any more when it is
    back, it removes."""
    host = world.lab.host("h1")
    before = world.flows("h1")
    netns.end_processes([host.agent.pid()])
    world.ping("a1", w.ca("a3"), 3)
    netns.ip(host.namespace, [
        "route add 192.168.1.199 dev hnv-rewrite proto 104",
        "neigh add proxy 192.168.1.199 dev br-phy0 protocol 104"])
    host.start_agent()
    eventually(lambda: is_set_up(world, "h1"), "setup")
    world.ping("a1", w.ca("a3"), 3)
    assert world.flows("h1") == before


def test_what_an_earlier_run_changed_is_taken_back(world):
    host = world.lab.host("h1")
    netns.end_processes([host.agent.pid()])
    host.start_agent()
    tunnelled = world.policy
    for vsid in (5001, 5002, 6001):
        tunnelled = with_config(tunnelled, vsid, {})
    world.apply(tunnelled)
    eventually(lambda: forwarding(world, "h1") == "0"
               and not fence(world, "h1") and not routes(world, "h1"),
               "forwarding's end")


def test_nobody_else_is_forwarded_to(world):
    """The uplink's neighbours cannot go through the host, say to the hosts of
    another network; only guests' PAs are open to them.  Unless the host is a
    router anyway."""
    lab = world.lab
    mac = lab_mac(lab, "h3", "br-phy0")
    to = lab_mac(lab, "h1", "br-phy0")

    def passes(target):
        """Whether h1 takes a packet on to 'target', before one for a1."""
        with Tap(lab.host("h3").namespace, "br-phy0") as h3, \
                uplink_tap(lab, "h1") as uplink, world.tap("a1") as a1:
            h3.send(echo(mac, to, w.PAS["h3"], target, ident=88))
            h3.send(echo(mac, to, PA["a4"], PA["a1"], 9, ident=88))
            a1.expect(lambda p: is_echo(p, 9) and p[ICMP].id == 88, "fence")
            uplink.send_beside(echo(mac, to, w.PAS["h3"], "192.168.1.99", 7,
                                    ident=88))
            seen = uplink.until(lambda p: is_echo(p, 7), "end", outgoing=True)
            return len([p for p in seen if is_echo(p, dst=target)]) > 1

    assert not passes(w.PAS["h2"])
    netns.sysctl(lab.host("h1").namespace, {"net/ipv4/ip_forward": 1})
    eventually(lambda: not fence(world, "h1"), "fence's end")
    eventually(lambda: passes(w.PAS["h2"]), "way through a router")
    netns.sysctl(lab.host("h1").namespace, {"net/ipv4/ip_forward": 0})
    eventually(lambda: is_set_up(world, "h1"), "setup")
    assert not passes(w.PAS["h2"])


def test_the_switch_restarts(world):
    """The port's device is another one then."""
    host = world.lab.host("h1")
    netns.end_processes([host.switch.vswitchd.pid()])
    host.start_switch()
    eventually(lambda: is_set_up(world, "h1"), "setup")
    world.ping_soon("a1", w.ca("a3"))


def test_a_changed_port_is_put_right(world):
    host = world.lab.host("h1")
    host.switch.vsctl(["set", "Interface", "hnv-rewrite",
                       "mac=\"02:00:00:00:00:42\""])
    eventually(lambda: "02:68:6e:76:00:01" in host.switch.vsctl(
        ["get", "Interface", "hnv-rewrite", "mac"]), "the port's MAC")
    host.switch.vsctl(["del-port", "hnv-rewrite"])
    eventually(lambda: "hnv-rewrite" in host.switch.vsctl(
        ["list-ports", "br-int"]), "the port")
    eventually(lambda: is_set_up(world, "h1"), "setup")
    world.ping_soon("a1", w.ca("a3"))


def test_the_port_follows_the_integration_bridge(make_lab):
    lab = make_lab({"underlay": [{"subnet": "192.168.1.0/24",
                                  "gateway": "192.168.1.1"}],
                    "hosts": [{"name": "h1", "pa": [w.PAS["h1"]]}]})
    w.World(lab, policy().replace(hosts={"h1": w.PAS["h1"]}, vms=[]))
    switch = lab.host("h1").switch
    for bridge in ("br-int", "br-new", "br-int"):
        switch.vsctl(["set", "Open_vSwitch", ".",
                      f"external_ids:hnv-bridge={bridge}"])
        eventually(lambda b=bridge: b in switch.vsctl(["list-br"])
                   and "hnv-rewrite" in switch.vsctl(["list-ports", b]),
                   f"port of {bridge}")
