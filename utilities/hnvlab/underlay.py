# SPDX-License-Identifier: Apache-2.0
"""The provider network: a namespace with one bridge per provider subnet and a
router between them.

        host h1           host h2                   host h3
           | h0u0            | h1u0                    | h2u0
      .----+-----------------+----.               .----+----.
      |           net0            |               |  net1   |   bridges
      '------------+--------------'               '----+----'
                   | gateway of subnet 0               | gateway of subnet 1
                   '------------- the kernel's router -'

The bridges are Open vSwitch's, like the hosts', because then the lab needs
nothing of the kernel but veth and TAP.  A bridge's internal port carries the
gateway address; the kernel forwards between them."""

from . import netns
from .switch import Switch

# Guests have 1500 bytes.  Outside go, at most, Ethernet with a VLAN tag (18),
# IPv6 (40), UDP (8) and VXLAN (8); so 1600 lets every full-sized guest packet
# through in one piece, and leaves a wrong encapsulation room to be seen.
MTU = 1600


class Underlay:
    def __init__(self, spec, namespace, folder):
        self.spec = spec
        self.namespace = namespace
        self.switch = Switch("the underlay", namespace, folder)

    def prepare(self):
        """Settings of the namespace, before it has links."""
        netns.sysctl(self.namespace, {
            "net/ipv4/ip_forward": 1,
            "net/ipv6/conf/all/forwarding": 1,
            **netns.PORTS_UNHEARD,
        })

    def lay_cables(self, host_namespaces):
        """One veth pair per provider address of each host."""
        netns.ip(self.namespace, ["link set lo up"] + [
            f"link add name {port} mtu {MTU} type veth "
            f"peer name uplink{j} mtu {MTU} netns {host_namespaces[i]}"
            for i, j, port, _ in self._ports()] + [
            f"link set {port} arp off up" for _, _, port, _ in self._ports()])

    def start(self):
        self.switch.create(self._settings())
        self.switch.vswitchd.start()
        for i, subnet in enumerate(self.spec.underlay):
            netns.hear(self.namespace, f"net{i}", subnet.network.version)
        netns.ip(self.namespace, [
            command for i, subnet in enumerate(self.spec.underlay)
            for command in (
                f"link set net{i} up",
                f"addr add {subnet.gateway}/{subnet.network.prefixlen} "
                f"dev net{i}")])

    def ports(self):
        """{provider address: name of its cable's end here}."""
        return {self.spec.hosts[i].pa[j]: port
                for i, j, port, _ in self._ports()}

    def _ports(self):
        """(host's number, uplink's number, port here, subnet's number)."""
        return [(i, j, f"h{i}u{j}", self.spec.subnet_index(pa))
                for i, host in enumerate(self.spec.hosts)
                for j, pa in enumerate(host.pa)]

    def _settings(self):
        commands = []
        for i, subnet in enumerate(self.spec.underlay):
            commands += bridge_settings(f"net{i}", subnet.vlan)
        for _, _, port, index in self._ports():
            commands += port_settings(f"net{index}", port,
                                      self.spec.underlay[index].vlan)
        return commands


def bridge_settings(bridge, vlan):
    """A bridge that learns, whose internal port is in VLAN 'vlan', if any."""
    commands = [["add-br", bridge],
                ["set", "Bridge", bridge, "datapath_type=netdev"],
                ["set", "Interface", bridge, f"mtu_request={MTU}"]]
    if vlan:
        commands.append(["set", "Port", bridge, f"tag={vlan}"])
    return commands


def port_settings(bridge, port, vlan):
    """A port which carries frames of VLAN 'vlan' with their tag, if any."""
    trunk = ["vlan_mode=trunk", f"trunks={vlan}"] if vlan else []
    return [["add-port", bridge, port, *trunk]]
