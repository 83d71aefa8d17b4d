# SPDX-License-Identifier: Apache-2.0
"""Guests with VLANs: what tests of them share.

In a guest's namespace a bridge takes its VLANs apart, so that its own stack
has an interface in each, with the guest's one MAC."""

import contextlib

from scapy.layers.l2 import Dot1Q, Ether

from hnvlab import netns
from hnvlab.switch import Switch

import world as w


def describe_trunk(vm):
    return {"name": vm.name, "host": vm.host, "port": vm.port, "mac": vm.mac,
            "ip": []}


def _start_bridge(lab, vm, folder, links):
    """Gives the guest an interface per VLAN, 'links' {VLAN: address}."""
    guest = lab.guest(vm.name)
    netns.sysctl(guest.namespace, {"net/ipv4/conf/all/arp_filter": 1})
    switch = Switch(vm.name, guest.namespace, str(folder))
    commands = [["add-br", "br0"], ["set", "Bridge", "br0",
                                    "datapath_type=netdev"],
                ["add-port", "br0", "eth0"]]
    for vlan in links:
        commands.append(["add-port", "br0", f"v{vlan}"]
                        + ([f"tag={vlan}"] if vlan else [])
                        + ["--", "set", "Interface", f"v{vlan}",
                           "type=internal"])
    switch.create(commands)
    switch.vswitchd.start()
    for vlan, address in links.items():
        netns.checksum_in_software(guest.namespace, f"v{vlan}")
        netns.ip(guest.namespace, [
            f"link set v{vlan} address {vm.mac} up",
            f"addr add {address}/24 dev v{vlan}"])
    netns.ip(guest.namespace, [f"route add default via {w.GATEWAY_A}"])
    return switch


@contextlib.contextmanager
def stacks(lab, folder, links):
    """For a while, guests' stacks in their VLANs: (Vm, {VLAN: address})."""
    started = []
    try:
        for vm, addresses in links:
            started.append(_start_bridge(lab, vm, folder / vm.name,
                                         addresses))
        yield
    finally:
        for switch in started:
            switch.vswitchd.stop()
            switch.database.stop()


def tag_of(packet):
    return packet[Dot1Q].vlan if Dot1Q in packet else 0


def tagged(packet, *vlans):
    """The frame with these tags, the outermost first."""
    raw = bytes(packet)
    tags = b"".join(bytes.fromhex("8100") + vlan.to_bytes(2, "big")
                    for vlan in vlans)
    return Ether(raw[:12] + tags + raw[12:])
