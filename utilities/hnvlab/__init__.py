# SPDX-License-Identifier: Apache-2.0
"""Virtualization hosts in network namespaces, and policy for them.

    spec      a lab file, checked, as plain values
    netns     namespaces: commands and system calls inside them
    daemon    one background process with its pidfile
    switch    an Open vSwitch of its own: database, switch, settings
    host      a host: its switch, its uplinks, its agent
    underlay  the provider network between the hosts
    guest     a guest and its cable to a host's switch
    lab       all of it: up, down, and what happens in between
    capture   packets of a host's uplinks into a pcap file
    show      a lab as text and as JSON

    ovsdb     a small OVSDB client
    deliver   policy files: send them, wait until the switch has them
    policy    policy from a short description of networks and guests

The last three know nothing of namespaces.  Tests, the demo and the benchmark
import them."""
