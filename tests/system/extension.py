# SPDX-License-Identifier: Apache-2.0
"""The switch with the datapath extension, for tests that need it whichever
switch the others run over: HNV_VSWITCHD names it, or HNV_OVS_TREE the folder
that it was built in."""

import os

import pytest

TREE = os.environ.get("HNV_OVS_TREE")
EXTENDED = os.environ.get("HNV_VSWITCHD",
                          TREE and f"{TREE}/vswitchd/ovs-vswitchd")

needs_extension = pytest.mark.skipif(not EXTENDED,
                                     reason="no HNV_VSWITCHD, no HNV_OVS_TREE")
