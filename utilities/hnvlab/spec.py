# SPDX-License-Identifier: Apache-2.0
"""A lab file: what may stand in it, checked, as plain values.

Every complaint names the field as one would reach it in JavaScript, such as
'hosts[1].pa[0]', and says what is wrong with the value."""

import ipaddress
import json
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional

from .errors import LabError

# Names become parts of namespace and socket names.  A socket's path has at
# most 107 characters, which limits them well below what a file name could be.
NAME_RE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,23}")
GUID_RE = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MAC_RE = re.compile(r"[0-9a-fA-F]{2}(([:-])[0-9a-fA-F]{2})(\2[0-9a-fA-F]{2}"
                    r"){4}")

# The underlay has a namespace and a switch of its own, beside the hosts'.
UNDERLAY = "underlay"


@dataclass
class Subnet:
    """A provider subnet.  'subnet' has host bits zero; 'vlan' is its 802.1Q
    tag on the hosts' uplinks, or None."""
    subnet: str
    gateway: str
    vlan: Optional[int] = None

    @property
    def network(self):
        return ipaddress.ip_network(self.subnet)


@dataclass
class Host:
    name: str
    pa: List[str]


@dataclass
class Vm:
    """A guest.  'host' is where it runs now, and changes when it moves."""
    name: str
    host: str
    port: str
    mac: str
    ip: List[str] = field(default_factory=list)
    gateway: List[str] = field(default_factory=list)


@dataclass
class Spec:
    underlay: List[Subnet]
    hosts: List[Host]
    vms: List[Vm]

    def subnet_index(self, pa):
        """The underlay subnet that holds provider address 'pa'."""
        addr = ipaddress.ip_address(pa)
        for i, subnet in enumerate(self.underlay):
            if addr in subnet.network:
                return i
        return None

    def subnet_of(self, pa):
        return self.underlay[self.subnet_index(pa)]

    def to_json(self):
        return {"underlay": [{k: v for k, v in vars(s).items()
                              if v is not None} for s in self.underlay],
                "hosts": [vars(h) for h in self.hosts],
                "vms": [vars(v) for v in self.vms]}


def from_file(path, text):
    """Returns the Spec that 'text', read from 'path', describes."""
    try:
        tree = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as e:
        raise LabError(f"{path}, line {e.lineno}, column {e.colno}: "
                       f"not JSON: {e.msg}") from None
    except RecursionError:
        raise LabError(f"{path}: nested too deeply") from None
    except (LabError, ValueError) as e:
        raise LabError(f"{path}: {e}") from None
    try:
        return from_json(tree)
    except LabError as e:
        raise LabError(f"{path}: {e}") from None


def from_json(tree):
    """Returns the Spec for a parsed lab file."""
    top = _Fields(tree, "", {"underlay", "hosts", "vms"})
    spec = Spec([], [], [])
    for path, item in top.items("underlay"):
        spec.underlay.append(_subnet(item, path, spec))
    for path, item in top.items("hosts"):
        spec.hosts.append(_host(item, path, spec))
    for path, item in top.items("vms", required=False):
        spec.vms.append(_vm(item, path, spec))
    return spec


def check_name(path, name):
    if not NAME_RE.fullmatch(name):
        raise LabError(f'{path}: "{name}" is not a name (at most 24 letters, '
                       'digits, "-" and "_", a letter or digit first)')
    return name


def _subnet(tree, path, spec):
    fields = _Fields(tree, path, {"subnet", "gateway", "vlan"})
    network = _network(fields.text("subnet"), f"{path}.subnet")
    for i, other in enumerate(spec.underlay):
        if (other.network.version == network.version
                and other.network.overlaps(network)):
            raise LabError(f'{path}.subnet: "{network}" overlaps '
                           f'underlay[{i}].subnet "{other.subnet}"')
    gateway = _address(fields.text("gateway"), f"{path}.gateway")
    _check_usable(gateway, network, f"{path}.gateway")
    vlan = fields.number("vlan", 1, 4094)
    return Subnet(str(network), str(gateway), vlan)


def _host(tree, path, spec):
    fields = _Fields(tree, path, {"name", "pa"})
    name = _new_name(fields, path, spec)
    pas = fields.texts("pa", required=True)
    if not pas:
        raise LabError(f"{path}.pa: a host needs at least one provider "
                       "address")
    used = {pa: f"hosts[{i}]" for i, h in enumerate(spec.hosts)
            for pa in h.pa}
    host = Host(name, [])
    for where, text in pas:
        pa = str(_pa(text, where, spec))
        if pa in used:
            raise LabError(f'{where}: "{pa}" is also a provider address of '
                           f"{used[pa]}")
        used[pa] = path
        host.pa.append(pa)
    return host


def _pa(text, path, spec):
    pa = _address(text, path)
    index = spec.subnet_index(pa)
    if index is None:
        raise LabError(f'{path}: "{text}" is in no subnet of the underlay')
    subnet = spec.underlay[index]
    if pa == ipaddress.ip_address(subnet.gateway):
        raise LabError(f'{path}: "{text}" is the gateway of '
                       f"underlay[{index}]")
    _check_usable(pa, subnet.network, path)
    return pa


def _vm(tree, path, spec):
    fields = _Fields(tree, path,
                     {"name", "host", "port", "mac", "ip", "gateway"})
    name = _new_name(fields, path, spec)
    host = fields.text("host")
    if host not in [h.name for h in spec.hosts]:
        raise LabError(f'{path}.host: there is no host "{host}"')
    vm = Vm(name, host, _port(fields, path, spec),
            _mac(fields.text("mac"), f"{path}.mac"))
    networks = []
    for where, text in fields.texts("ip"):
        networks.append(_interface(text, where))
        vm.ip.append(str(networks[-1]))
    for where, text in fields.texts("gateway"):
        vm.gateway.append(_gateway(text, where, networks, vm.gateway))
    return vm


def _port(fields, path, spec):
    text = fields.text("port")
    bare = text[1:-1] if text[:1] + text[-1:] == "{}" else text
    if not GUID_RE.fullmatch(bare):
        raise LabError(f'{path}.port: "{text}" is not a GUID')
    for i, other in enumerate(spec.vms):
        if other.port.strip("{}").lower() == bare.lower():
            raise LabError(f'{path}.port: "{text}" is also the port of '
                           f"vms[{i}]")
    return text


def _mac(text, path):
    if not MAC_RE.fullmatch(text):
        raise LabError(f'{path}: "{text}" is not a MAC address')
    mac = text.replace("-", ":").lower()
    if int(mac[:2], 16) & 1:
        raise LabError(f'{path}: "{text}" is a multicast address, which no '
                       "guest can have")
    if mac == "00:00:00:00:00:00":
        raise LabError(f'{path}: "{text}" is no address a guest can have')
    return mac


def _gateway(text, path, networks, earlier):
    gateway = _address(text, path)
    if any(ipaddress.ip_address(e).version == gateway.version
           for e in earlier):
        raise LabError(f'{path}: "{text}" is a second IPv{gateway.version} '
                       "gateway")
    on_every_link = gateway.version == 6 and gateway.is_link_local
    if not on_every_link and not any(gateway in n.network for n in networks):
        raise LabError(f'{path}: "{text}" is in none of the subnets of this '
                       'guest\'s "ip"')
    if any(gateway == n.ip for n in networks):
        raise LabError(f'{path}: "{text}" is the guest\'s own address')
    return str(gateway)


def _new_name(fields, path, spec):
    """A name no host and no guest has yet: both name a namespace."""
    name = check_name(f"{path}.name", fields.text("name"))
    if name == UNDERLAY:
        raise LabError(f'{path}.name: "{name}" is the provider network\'s '
                       "own name")
    for kind in ("hosts", "vms"):
        for i, other in enumerate(getattr(spec, kind)):
            if other.name == name:
                raise LabError(f'{path}.name: "{name}" is also the name of '
                               f"{kind}[{i}]")
    return name


def _address(text, path):
    try:
        addr = ipaddress.ip_address(text)
    except ValueError:
        raise LabError(f'{path}: "{text}" is not an IPv4 or IPv6 address'
                       ) from None
    if addr.is_multicast or addr.is_unspecified or addr.is_loopback:
        raise LabError(f'{path}: "{text}" is not the address of one machine')
    if getattr(addr, "scope_id", None):
        raise LabError(f'{path}: "{text}" has a zone, which makes no sense '
                       "here")
    return addr


def _network(text, path):
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        network = None
    if network is None or "/" not in text:
        raise LabError(f'{path}: "{text}" is not an IPv4 or IPv6 subnet'
                       f"{_network_hint(text)}")
    if network.prefixlen > network.max_prefixlen - 2:
        raise LabError(f'{path}: "{text}" has no room for a gateway and a '
                       "host")
    return network


def _network_hint(text):
    """Why 'text' is no subnet, where the reason is a common slip."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    if "/" not in text:
        return " (the prefix length is missing)"
    return f' (its host part is not zero; "{network}" is meant?)'


def _interface(text, path):
    try:
        iface = ipaddress.ip_interface(text)
    except ValueError:
        iface = None
    if iface is None or "/" not in text:
        raise LabError(f'{path}: "{text}" is not an address with its prefix '
                       'length, like "10.1.1.11/24"')
    _address(str(iface.ip), path)
    _check_usable(iface.ip, iface.network, path)
    return iface


def _check_usable(addr, network, path):
    if addr not in network:
        raise LabError(f'{path}: "{addr}" is not in subnet "{network}"')
    if network.prefixlen > network.max_prefixlen - 2:
        return
    if addr == network.network_address or (
            addr.version == 4 and addr == network.broadcast_address):
        raise LabError(f'{path}: "{addr}" is not the address of one machine '
                       f'in subnet "{network}"')


def _object(pairs):
    """A JSON object, unless it has a key twice: one of them would be lost."""
    result = {}
    for key, value in pairs:
        if key in result:
            raise LabError(f'an object has the key "{key}" twice')
        result[key] = value
    return result


class _Fields:
    """The members of one JSON object, each taken with the type it must have.
    """

    def __init__(self, tree, path, known):
        if not isinstance(tree, dict):
            raise LabError(f"{path or 'the file'}: must be an object, not "
                           f"{_kind(tree)}")
        for key in tree:
            if key not in known:
                raise LabError(f"{_join(path, key)}: unknown field (known: "
                               f"{', '.join(sorted(known))})")
        self.tree: Dict = tree
        self.path = path

    def text(self, key):
        return _text(self._get(key), _join(self.path, key))

    def texts(self, key, required=False):
        """(path, text) pairs of a field that is a string or an array."""
        path = _join(self.path, key)
        if not required and self.tree.get(key) is None:
            return []
        value = self._get(key)
        if isinstance(value, str):
            return [(path, value)]
        if not isinstance(value, list):
            raise LabError(f"{path}: must be a string or an array of "
                           f"strings, not {_kind(value)}")
        return [(f"{path}[{i}]", _text(item, f"{path}[{i}]"))
                for i, item in enumerate(value)]

    def items(self, key, required=True):
        """(path, value) pairs of a field that is an array."""
        path = _join(self.path, key)
        if not required and key not in self.tree:
            return []
        value = self._get(key)
        if not isinstance(value, list):
            raise LabError(f"{path}: must be an array, not {_kind(value)}")
        if required and not value:
            raise LabError(f"{path}: must have at least one entry")
        return [(f"{path}[{i}]", item) for i, item in enumerate(value)]

    def number(self, key, low, high):
        value = self.tree.get(key)
        if value is None:
            return None
        if (not isinstance(value, int) or isinstance(value, bool)
                or not low <= value <= high):
            raise LabError(f"{_join(self.path, key)}: {json.dumps(value)} is "
                           f"not a number from {low} to {high}")
        return value

    def _get(self, key):
        if key not in self.tree:
            raise LabError(f"{_join(self.path, key)}: missing")
        return self.tree[key]


def _text(value, path):
    if not isinstance(value, str):
        raise LabError(f"{path}: must be a string, not {_kind(value)}")
    return value


def _join(path, key):
    return f"{path}.{key}" if path else key


def _kind(value):
    names = {dict: "an object", list: "an array", str: "a string",
             bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")
