# SPDX-License-Identifier: Apache-2.0
"""The demo's policies, in the order in which the hosts get them."""

import json
import os

from hnvlab.policy import Network, Policy, Subnet, Vm

HERE = os.path.dirname(os.path.realpath(__file__))
LAB_FILE = os.path.join(HERE, "lab.json")

CONTOSO, FABRIKAM, CONTOSO_APP = 5001, 6001, 5002

with open(LAB_FILE, encoding="utf-8") as f:
    LAB = json.load(f)
HOSTS = {host["name"]: host["pa"][0] for host in LAB["hosts"]}


def vms(vsids):
    """The lab's guests, each with its virtual subnet."""
    by_name = {vm["name"]: vm for vm in LAB["vms"]}
    return [Vm(name, by_name[name]["host"], by_name[name]["port"],
               by_name[name]["mac"], vsid,
               [by_name[name]["ip"].partition("/")[0]])
            for name, vsid in vsids.items()]


TENANTS = {"contoso-sql": CONTOSO, "contoso-web": CONTOSO,
           "fabrikam-sql": FABRIKAM, "fabrikam-web": FABRIKAM}

# Two tenants with the very same addresses.
VXLAN = Policy(
    HOSTS,
    [Network("Contoso", [Subnet(CONTOSO, "10.1.1.0/24")]),
     Network("Fabrikam", [Subnet(FABRIKAM, "10.1.1.0/24")])],
    vms(TENANTS), encap="vxlan")

# The same, but the hosts find each other through NVGRE.
NVGRE = VXLAN.replace(encap="nvgre")

# Contoso gets a second subnet, with a guest in it.
ROUTED = NVGRE.replace(
    networks=[Network("Contoso", [Subnet(CONTOSO, "10.1.1.0/24"),
                                  Subnet(CONTOSO_APP, "10.1.2.0/24")]),
              NVGRE.networks[1]],
    vms=vms({**TENANTS, "contoso-app": CONTOSO_APP}))


def write_all(folder):
    """Writes what each host is sent, as files for 'hnv-lab policy'."""
    os.makedirs(folder, exist_ok=True)
    for host in HOSTS:
        _write(folder, "1-vxlan", host, VXLAN.full(host))
        _write(folder, "2-nvgre", host, NVGRE.since(VXLAN, host))
        _write(folder, "3-routed", host, ROUTED.since(NVGRE, host))


def file_name(folder, step, host):
    return os.path.join(folder, f"{step}-{host}.json")


def excerpt(policy, host, ca):
    """The operation that inserts the first mapping of 'ca', to be read."""
    for operation in policy.full(host)[0][1:]:
        if operation.get("row", {}).get("ipaddr") == ca:
            text = json.dumps(operation, indent=2)
            return "".join(f"      {line}\n" for line in text.splitlines())
    return ""


def _write(folder, step, host, transactions):
    with open(file_name(folder, step, host), "w", encoding="utf-8") as out:
        json.dump(transactions, out, indent=1)
        out.write("\n")
