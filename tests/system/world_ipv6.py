# SPDX-License-Identifier: Apache-2.0
"""The world of world.py with IPv6 beside IPv4: everybody has an address of
each family, with the same last number.

    5001, 6001  2001:db8:a:1::/64
    5002        2001:db8:a:2::fe/64, which says where the gateway is

b2 knows the router by its link-local address.  Then, packets to send there.
"""

import dataclasses
import ipaddress

from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
                                ICMPv6NDOptUnknown, IPv6)
from scapy.layers.l2 import Ether

from hnvlab import netns
from hnvlab.policy import Network, Subnet

import world as w

GATEWAY_A = "2001:db8:a:1::1"
GATEWAY_B = "2001:db8:a:2::fe"
ROUTER_LINK_LOCAL = "fe80::5eff:fe00:fe"        # Of w.ROUTER_MAC.
ALL_NODES = "ff02::1"
ALL_NODES_MAC = "33:33:00:00:00:01"
NETWORKS = [
    Network("contoso", [Subnet(5001, "10.1.1.0/24"),
                        Subnet(5001, "2001:db8:a:1::/64"),
                        Subnet(5002, "10.1.2.254/24"),
                        Subnet(5002, f"{GATEWAY_B}/64")]),
    Network("fabrikam", [Subnet(6001, "10.1.1.0/24"),
                         Subnet(6001, "2001:db8:a:1::/64")])]


def ca6(name):
    last = w.ca(name).split(".")[-1]
    return f"2001:db8:a:{2 if name.startswith('b') else 1}::{last}"


def end(name, family):
    """A guest, and its address in a family, 4 or 6."""
    return name, w.ca(name) if family == 4 else ca6(name)


VMS = [dataclasses.replace(vm, cas=[*vm.cas, ca6(vm.name)]) for vm in w.VMS]


def policy(encap, **changes):
    return w.policy(encap, networks=NETWORKS, vms=VMS).replace(**changes)


def gateway6(name):
    if name == "b2":
        return ROUTER_LINK_LOCAL
    return GATEWAY_B if name.startswith("b") else GATEWAY_A


def description():
    d = w.description()
    for vm in d["vms"]:
        vm["ip"].append(f"{ca6(vm['name'])}/64")
        vm["gateway"] = [vm["gateway"], gateway6(vm["name"])]
    return d


def in_guest(world, name, *command):
    return netns.run(netns.command(world.lab.guest(name).namespace,
                                   list(command)))


def link_local(mac):
    """RFC 4291 appendix A."""
    b = bytes.fromhex(mac.replace(":", ""))
    host = bytes([b[0] ^ 2]) + b[1:3] + b"\xff\xfe" + b[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + host))


def solicited_node(address):
    last = ipaddress.IPv6Address(address).packed[-3:]
    return (str(ipaddress.IPv6Address(bytes.fromhex("ff0200000000000000000001"
                                                    "ff") + last)),
            "33:33:ff:" + ":".join(f"{b:02x}" for b in last))


def nonce(data=b"nonce!"):
    """RFC 3971 section 5.3.2."""
    return ICMPv6NDOptUnknown(type=14, len=1, data=data)


def solicit(name, target, src=None, dst=None, sll=True, options=()):
    """A neighbour solicitation of guest 'name'.  'dst' is the (IP, MAC) of a
    unicast one; 'sll' the MAC in its option, True for the guest's own."""
    ip_dst, mac_dst = dst or solicited_node(target)
    src = ca6(name) if src is None else src
    packet = (Ether(src=w.mac(name), dst=mac_dst)
              / IPv6(src=src, dst=ip_dst, hlim=255)
              / ICMPv6ND_NS(tgt=target))
    if sll and src != "::":
        packet /= ICMPv6NDOptSrcLLAddr(
            lladdr=w.mac(name) if sll is True else sll)
    for option in options:
        packet /= option
    return packet


def advertise(name, target, tll=True, dst=(ALL_NODES, ALL_NODES_MAC),
              src=None):
    packet = (Ether(src=w.mac(name), dst=dst[1])
              / IPv6(src=src or ca6(name), dst=dst[0], hlim=255)
              / ICMPv6ND_NA(tgt=target, R=0, S=0, O=1))
    if tll:
        packet /= ICMPv6NDOptDstLLAddr(
            lladdr=w.mac(name) if tll is True else tll)
    return packet


def echo6(name, to, seq, dst_mac=None, src=None, hlim=64, size=32):
    return (Ether(src=w.mac(name), dst=dst_mac or w.mac(to))
            / IPv6(src=src or ca6(name), dst=ca6(to), hlim=hlim)
            / ICMPv6EchoRequest(id=78, seq=seq, data=b"x" * size))


def is_echo6(packet, seq, kind=ICMPv6EchoRequest):
    return kind in packet and packet[kind].seq == seq


def is_advert(packet, target=None):
    return (ICMPv6ND_NA in packet
            and (target is None or packet[ICMPv6ND_NA].tgt == target))


def is_solicit(packet, target=None):
    return (ICMPv6ND_NS in packet
            and (target is None or packet[ICMPv6ND_NS].tgt == target))


def assert_checksum(packet):
    """The message's checksum, from RFC 4443 section 2.3."""
    again = packet.copy()
    del again[IPv6].payload.cksum
    assert Ether(bytes(again))[IPv6].payload.cksum == \
        packet[IPv6].payload.cksum


def fence(tap, to_tap, name, to, seq, dst_mac=None):
    """All that 'to_tap' saw before an echo request that is sent now."""
    tap.send(echo6(name, to, seq, dst_mac))
    return to_tap.until(lambda p: is_echo6(p, seq), "fence")
