# SPDX-License-Identifier: Apache-2.0
"""A lab as a picture in text, and as JSON."""

from .lab import UNDERLAY


def as_json(lab):
    """Everything there is to know about a lab, as plain values."""
    ports = lab.underlay.ports()
    return {
        "name": lab.name,
        "folder": lab.folder,
        "underlay": {
            "namespace": lab.underlay.namespace,
            "processes": _processes(lab.underlay.switch),
            "subnets": [
                {"subnet": s.subnet, "gateway": s.gateway, "vlan": s.vlan,
                 "bridge": f"net{i}",
                 "hosts": {pa: h.name for h in lab.spec.hosts for pa in h.pa
                           if lab.spec.subnet_index(pa) == i}}
                for i, s in enumerate(lab.spec.underlay)]},
        "hosts": [_host(h, ports) for h in lab.hosts.values()],
        "vms": [{**vars(g.vm), "namespace": g.namespace,
                 "host_port": g.port} for g in lab.guests.values()],
    }


def as_text(lab):
    state = as_json(lab)
    lines = [f"lab {lab.name} in {lab.folder}",
             f"underlay, namespace {state['underlay']['namespace']}, "
             f"{_states(state['underlay']['processes'])}"]
    for subnet in state["underlay"]["subnets"]:
        tag = f", VLAN {subnet['vlan']}" if subnet["vlan"] else ""
        lines.append(f"  {subnet['subnet']}: gateway {subnet['gateway']}"
                     f"{tag}, bridge {subnet['bridge']}")
        lines += [f"      {pa} is host {name}"
                  for pa, name in subnet["hosts"].items()]
    for host in state["hosts"]:
        lines += _host_lines(host, state["vms"])
    return "\n".join(lines)


def _host(host, ports):
    return {
        "name": host.name,
        "namespace": host.namespace,
        "uplinks": [{"pa": pa, "bridge": f"br-phy{i}", "port": f"uplink{i}",
                     UNDERLAY + "_port": ports[pa]}
                    for i, pa in enumerate(host.pas)],
        "processes": {**_processes(host.switch),
                      "hnv-agent": host.agent.pid()},
        "ovs_rundir": host.folder,
        "agent_remote": host.remote,
        "agent_log": host.agent.logfile,
    }


def _host_lines(host, vms):
    lines = [f"host {host['name']}, namespace {host['namespace']}, "
             f"{_states(host['processes'])}"]
    lines += [f"  PA {u['pa']} on {u['bridge']}, {u['port']}"
              for u in host["uplinks"]]
    lines.append(f"  agent at {host['agent_remote']}")
    for vm in vms:
        if vm["host"] == host["name"]:
            lines += [f"  guest {vm['name']}, namespace {vm['namespace']}, "
                      f"switch port {vm['host_port']}",
                      f"      {vm['mac']}  {' '.join(vm['ip']) or 'no IP'}",
                      f"      port {vm['port']}"]
    return lines


def _processes(switch):
    return {"ovsdb-server": switch.database.pid(),
            "ovs-vswitchd": switch.vswitchd.pid()}


def _states(processes):
    return ", ".join(f"{name} {pid if pid else 'NOT RUNNING'}"
                     for name, pid in processes.items())
