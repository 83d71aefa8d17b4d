# SPDX-License-Identifier: Apache-2.0
"""Policy files: send them to an agent, wait until the switch has them.

A policy file is a JSON array of the parameters of OVSDB's 'transact', each
'[DATABASE, OPERATION, ...]'."""

import json
import time

from . import ovsdb
from .errors import LabError

# Where each database counts what was asked for and what is done.
CONFIG_TABLES = {
    "ms_vtep": "Global",
    "ms_darv": "Global",
    "ms_firewall": "FW_Global",
    "ms_service_insertion": "SI_Global",
}


def parse(path, text):
    """Returns the transactions in 'text', which was read from 'path'."""
    try:
        transactions = json.loads(text)
    except json.JSONDecodeError as e:
        raise LabError(f"{path}, line {e.lineno}, column {e.colno}: "
                       f"not JSON: {e.msg}") from None
    except (ValueError, RecursionError) as e:
        raise LabError(f"{path}: {e}") from None
    if not isinstance(transactions, list):
        raise LabError(f"{path}: must be an array of transactions")
    for i, params in enumerate(transactions):
        _check(f"{path}: [{i}]", params)
    return transactions


def deliver(remote, transactions, timeout=30):
    """Sends all transactions in their order, then raises next_cfg in every
    database they touched and waits until cur_cfg has followed, which is when
    the switch does what they say.  LabError on the first that fails."""
    deadline = time.monotonic() + timeout
    with ovsdb.Client(remote, timeout) as client:
        raised = {}
        for i, (db, *operations) in enumerate(transactions):
            _transact(client, i, len(transactions), db, operations, deadline)
            raised[db] = any(map(_touches_next_cfg, operations))
        for db, by_the_file in raised.items():
            if db in CONFIG_TABLES:
                _settle(client, db, not by_the_file, deadline, timeout)


def _check(path, params):
    if not isinstance(params, list) or not params:
        raise LabError(f"{path} must be an array of a database and "
                       "operations")
    if not isinstance(params[0], str):
        raise LabError(f"{path}[0] must be the name of a database")
    for i, operation in enumerate(params[1:], 1):
        if not isinstance(operation, dict):
            raise LabError(f"{path}[{i}] must be an operation, an object")


def _transact(client, index, total, db, operations, deadline):
    where = f"transaction {index + 1} of {total} ({db})"
    try:
        results = client.call("transact", [db, *operations],
                              _left(deadline))
    except ovsdb.OvsdbError as e:
        raise LabError(f"{where}: {e}") from None
    failed = ovsdb.failure(results)
    if failed:
        raise LabError(f"{where}, {_operation(failed[0], operations)}: "
                       f"{failed[1]}")


def _operation(index, operations):
    """Which operation a result belongs to, in words."""
    if index >= len(operations):
        return "at commit"
    op = operations[index]
    words = [str(op[k]) for k in ("op", "table") if k in op]
    return f"operation {index + 1} ({' '.join(words)})"


def _touches_next_cfg(operation):
    """Whether a file's operation asks for the acknowledgement itself."""
    if operation.get("table") not in CONFIG_TABLES.values():
        return False
    mutations = operation.get("mutations") or []
    return ("next_cfg" in (operation.get("row") or {})
            or any(m and m[0] == "next_cfg" for m in mutations))


def _settle(client, db, ask, deadline, timeout):
    """Raises next_cfg if 'ask', and waits until cur_cfg has its value."""
    table = CONFIG_TABLES[db]
    wanted = _next_cfg(client, db, table, ask, deadline)
    seen = None
    request = {table: {"columns": ["cur_cfg"]}}
    try:
        update = client.call("monitor", [db, db, request], _left(deadline))
        while True:
            for row in update.get(table, {}).values():
                seen = row.get("new", {}).get("cur_cfg", seen)
            if seen is not None and seen >= wanted:
                return
            update = _update_of(client, db, deadline)
    except ovsdb.OvsdbTimeout:
        raise LabError(f"{db}: the switch does not have the policy after "
                       f"{timeout:g} s (cur_cfg is "
                       f"{'missing' if seen is None else seen}, next_cfg "
                       f"{wanted})") from None


def _update_of(client, db, deadline):
    """The next change that the monitor named 'db' reports."""
    while True:
        note = client.notification(deadline)
        if note["method"] == "update" and note["params"][0] == db:
            return note["params"][1]


def _next_cfg(client, db, table, ask, deadline):
    """The value of next_cfg, one more than before if 'ask'."""
    amount = 1 if ask else 0
    for _ in range(2):
        _, selected = client.transact(
            db,
            {"op": "mutate", "table": table, "where": [],
             "mutations": [["next_cfg", "+=", amount]]},
            {"op": "select", "table": table, "where": [],
             "columns": ["next_cfg"]}, timeout=_left(deadline))
        if selected["rows"]:
            return max(row["next_cfg"] for row in selected["rows"])
        client.transact(db, {"op": "insert", "table": table, "row": {}},
                        timeout=_left(deadline))
    raise LabError(f"{db}: table {table} stays empty")


def _left(deadline):
    return max(deadline - time.monotonic(), 0.001)
