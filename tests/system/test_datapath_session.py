# SPDX-License-Identifier: Apache-2.0

"""What sessions tell the datapath extension, and ask it."""

import os
import shutil
import struct

import pytest

from hnv_bridge import (A, B, CA_A, CA_B, PA, PORTS, TREE, VSID, add_flow,
                        fixture_session, fixture_switch, ip_packet, needs_tree,
                        outer_packets)
from hnv_switch import (ANY_KIND, ANY_VSID, DELETE, DELETE_PORT, FLUSH,
                        KIND_PORT, LOCAL, NVGRE, OF13, PUT_PORT, SUBTYPE,
                        VXLAN, OpenFlowError, Switch, by_ca, by_mac, entry)

pytestmark = needs_tree


def test_entries_are_read_back(session):
    wanted = [by_ca(VSID, CA_B, B, PA), by_mac(VSID, B, PA),
              by_ca(VSID, "fd00::b", B, "2001:db8::7", NVGRE),
              by_mac(6, A), entry("peer", 77, PA),
              entry("share", VSID, CA_B, B, PA, VXLAN, share=5),
              entry("owner", VSID, CA_B), by_ca(6, CA_A, A)]
    session.put(*wanted)
    assert sorted(session.dump()[0]) == sorted(wanted)
    assert sorted(session.dump(vsid=6)[0]) == sorted([by_mac(6, A),
                                                      by_ca(6, CA_A, A)])
    assert session.dump(kind=3)[0] == [entry("peer", 77, PA)]

    session.space_mod(DELETE, wanted[0], by_mac(99, A))
    session.barrier()
    assert sorted(session.dump()[0]) == sorted(wanted[1:])
    session.space_mod(FLUSH)
    session.barrier()
    assert session.dump()[0] == []


def test_ports_are_read_back(switch, session):
    """By themselves: they are no entries."""
    wanted = [entry("mac", 5000 + i % 3, mac="02:00:00:00:%02x:%02x"
                    % (i >> 8, i & 255), cookie=i) for i in range(700)]
    session.space_mod(PUT_PORT, *wanted)
    session.put(by_mac(VSID, B, PA))
    assert session.dump()[0] == [by_mac(VSID, B, PA)]
    ports, generations = session.dump(kind=KIND_PORT)
    assert sorted(ports) == sorted(wanted)
    assert len(set(generations)) == 1
    assert (sorted(session.dump(vsid=5002, kind=KIND_PORT)[0])
            == sorted(wanted[2::3]))
    show = switch.appctl("hnv/space-show", "2000")
    assert "port=699,vsid=5000,mac=02:00:00:00:02:bb" in show, show
    assert "mac,vsid=5001" in show, show

    session.space_mod(DELETE_PORT, *wanted[1:])
    session.barrier()
    assert session.dump(kind=KIND_PORT)[0] == wanted[:1]
    assert session.dump(kind=KIND_PORT)[1][0] != generations[0]
    session.space_mod(FLUSH)
    session.barrier()
    assert session.dump(kind=KIND_PORT)[0] == []


@pytest.mark.parametrize("kind", [0, KIND_PORT, ANY_KIND])
@pytest.mark.parametrize("cursor", [
    (0, 0, 1 << 32), (0, 0, (1 << 64) - 1), (4, 0, 1 << 40), (0, 128, 0),
    (1 << 31, 1 << 31, 1 << 63)])
def test_a_cursor_from_nowhere(session, kind, cursor):
    session.put(by_mac(VSID, B, PA), by_ca(VSID, CA_B, B, PA))
    session.stats(SUBTYPE, struct.pack("!IIQIB3x", *cursor, ANY_VSID, kind))
    assert len(session.dump()[0]) == 2


def test_a_long_dump_comes_in_pieces(session):
    wanted = [by_ca(VSID, "10.%d.%d.%d" % (i >> 16, i >> 8 & 255, i & 255),
                    "02:00:00:%02x:%02x:%02x" % (i >> 16, i >> 8 & 255,
                                                 i & 255), PA)
              for i in range(20000)]
    for i in range(0, len(wanted), 1000):
        session.space_mod(0, *wanted[i:i + 1000])
    session.barrier()
    entries, generations = session.dump()
    assert sorted(entries) == sorted(wanted)
    assert len(generations) > 10 and len(set(generations)) == 1
    assert session.counters()[1]["ca"] == 20000
    session.put(by_mac(VSID, B, PA))
    assert session.dump(kind=1)[1][0] != generations[0]


@pytest.mark.parametrize("bad", [
    entry("ca", 1 << 24, CA_B, B, PA, VXLAN),
    entry("ca", VSID, CA_B, B, None, VXLAN),
    entry("ca", VSID, CA_B, B, PA, 4),
    entry("ca", VSID, CA_B, B, PA, VXLAN, share=1),
    entry("share", VSID, CA_B, B, PA, VXLAN, share=128),
    entry("ca", VSID, CA_B, B, PA, VXLAN, learned=2),
    b"\x06" + by_mac(VSID, B)[1:],
    entry("pa", VSID, CA_B, B, PA, VXLAN),
    entry("ca", VSID, CA_B, B, PA, LOCAL),
    by_mac(VSID, B)[:-1]])
def test_a_bad_entry_undoes_its_message(session, bad):
    session.space_mod(0, by_mac(VSID, A, PA), bad)
    with pytest.raises(OpenFlowError):
        session.barrier()
    assert session.dump()[0] == []


def test_counters(switch, session):
    session.put(by_mac(VSID, B, PA))
    add_flow(switch, "in_port=1 actions=hnv(switch,vsid=5001,%s)" % PORTS)
    switch.send("p1", ip_packet())
    switch.send("p1", ip_packet(dst_mac="00:15:5d:00:00:77"))
    outer_packets(switch)
    switch.wait_for(lambda: sum(session.counters()[2][2]) == 2, "2 packets")
    version, _, counts = session.counters()
    assert version == 3 and counts[2][0] == 1
    show = switch.appctl("hnv/space-show")
    assert "switch: done=1 unknown-mac=1" in show, show


def test_a_session_that_dies_leaves_whole_messages(switch):
    """What was sent whole counts, what was not does not."""
    session = switch.session("br-int")
    session.space_mod(0, by_mac(VSID, A, PA), by_mac(VSID, B, PA))
    session.barrier()
    message = b"".join(by_mac(VSID, "02:00:00:00:00:%02x" % i, PA)
                       for i in range(100))
    session.socket.sendall(bytes([OF13, 4]) + (24 + len(message))
                           .to_bytes(2, "big") + bytes(4) + message[:1000])
    session.close()
    session = switch.session("br-int")
    assert len(session.dump()[0]) == 2
    session.close()


def test_a_stock_switch_refuses_it_all(tmp_path):
    """Which is how the agent knows."""
    stock = shutil.which("ovs-vswitchd")
    if not stock:
        pytest.skip("no stock ovs-vswitchd")
    switch = Switch(TREE, tmp_path, stock)
    try:
        switch.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int",
                     "datapath_type=dummy")
        switch.wait_for(lambda: os.path.exists(switch.path("br-int.mgmt")))
        session = switch.session("br-int")
        with pytest.raises(OpenFlowError):
            session.counters()
        with pytest.raises(OpenFlowError):
            session.put(by_mac(VSID, B, PA))
        with pytest.raises(RuntimeError, match="OFPBAC_BAD_VENDOR_TYPE|"
                           "OFPBAC_BAD_EXP_TYPE"):
            add_flow(switch, "actions=hnv(switch,vsid=5001)")
        session.close()
    finally:
        switch.stop()
