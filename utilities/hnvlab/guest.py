# SPDX-License-Identifier: Apache-2.0
"""A guest: a namespace with one interface, eth0, and a cable from it to the
integration bridge of the host it runs on."""

from . import netns
from .host import BRIDGE

LINK = "eth0"
MTU = 1500
# An interface's name has at most 15 characters.
PORT_NAME_MAX = 15


class Guest:
    """'vm' is its description; 'number' makes its port's name unique."""

    def __init__(self, vm, namespace, number):
        self.vm = vm
        self.name = vm.name
        self.namespace = namespace
        self.port = port_name(vm.name, number)

    def prepare(self):
        """Settings of the namespace, before it has links.  A guest without
        IPv6 addresses stays silent in IPv6."""
        has_v6 = any(":" in ip for ip in self.vm.ip)
        netns.sysctl(self.namespace, {
            "net/ipv6/conf/default/disable_ipv6": 0 if has_v6 else 1,
            "net/ipv6/conf/default/accept_dad": 0,
            "net/ipv6/conf/default/dad_transmits": 0,
            "net/ipv6/conf/default/accept_ra": 0,
            "net/ipv6/conf/default/router_solicitations": 0,
        })

    def cable_commands(self):
        """The cable, made in the host's namespace, for many guests at once.
        """
        return [f"link add name {self.port} mtu {MTU} type veth peer name "
                f"{LINK} mtu {MTU} address {self.vm.mac} "
                f"netns {self.namespace}",
                f"link set {self.port} arp off up"]

    def configure(self):
        netns.checksum_in_software(self.namespace, LINK)
        netns.ip(self.namespace, [
            "link set lo up", f"link set {LINK} up",
            *[f"addr add {ip} dev {LINK}" for ip in self.vm.ip],
            *[f"route add default via {gw} dev {LINK}"
              for gw in self.vm.gateway]])

    def plug_commands(self):
        """What a hypervisor tells the switch about a virtual machine's port;
        for ovs-vsctl, for many guests at once."""
        return [["--may-exist", "add-port", BRIDGE, self.port],
                ["set", "Interface", self.port,
                 f'external_ids:iface-id="{self.vm.port}"',
                 f'external_ids:attached-mac="{self.vm.mac}"',
                 f'external_ids:vm-name="{self.name}"']]

    def unplug_commands(self):
        return [["--if-exists", "del-port", BRIDGE, self.port]]

    def carry(self, source, target):
        """Takes the host's end of the cable from one host's namespace to
        another's.  The guest keeps its interface and all it has open, like a
        virtual machine in a live migration."""
        netns.ip(source, [f"link set {self.port} netns {target}"])
        netns.ip(target, [f"link set {self.port} arp off up"])


def port_name(name, number):
    """The guest's name if it fits, else what fits of it and a number."""
    port = f"v-{name}"
    if len(port) <= PORT_NAME_MAX:
        return port
    tail = f"~{number}"
    return port[:PORT_NAME_MAX - len(tail)] + tail
