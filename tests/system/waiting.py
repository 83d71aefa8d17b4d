# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, which is what tests do instead of sleeping."""

import time


def until(condition, what, timeout=30):
    """Waits until condition() returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not in {timeout} s: {what}"
        time.sleep(0.02)
