"""Entries of the oplog in the order in which they take effect: transactions taken apart.

A transaction is one ``applyOps`` or a chain of them, all but the last marked ``partialTxn``; of one
that was prepared the last is marked ``prepare``, and takes effect with ``commitTransaction``.
"""

from collections.abc import Iterable, Iterator

from telamon.errors import RestoreFailed
from telamon.model.manifest import ClusterTime
from telamon.mongo.elements import INT32, INT64, elements
from telamon.mongo.oplog_entry import COMMAND, NOTHING, Entry, inner_entries, is_true

_APPLY_OPS = b"applyOps"
_COMMIT = b"commitTransaction"
_ABORT = b"abortTransaction"


def flattened(found: Iterable[Entry], *, since: ClusterTime, until: ClusterTime) -> Iterator[Entry]:
    """What takes effect in ``(since, until]``; of a transaction, when it was committed.

    Entries must be in order. Those from before ``since`` serve for transactions that were open then.
    Raises RestoreFailed for entries that are not in order, and for a transaction of which a part
    is missing.
    """
    open_parts: dict[bytes, list[Entry]] = {}
    last = ClusterTime(seconds=0, increment=0)
    for entry in found:
        if entry.time <= last:
            raise RestoreFailed(
                f"The captured oplog is not in order: {entry.time} comes after {last}."
            )
        last = entry.time
        if last > until:
            return
        for inner in _effective(entry, open_parts):
            if last > since:
                yield inner


def command_of(entry: Entry) -> bytes:
    """The name of a command: that of its first member."""
    first = next(elements(entry.what), None)
    return b"" if first is None else first.name


def _effective(entry: Entry, open_parts: dict[bytes, list[Entry]]) -> Iterator[Entry]:
    """The operations that take effect with an entry, with those before of the same transaction."""
    if entry.operation == NOTHING:
        return
    command = command_of(entry) if entry.operation == COMMAND else b""
    if command == _ABORT:
        open_parts.pop(entry.session, None)
    elif command == _COMMIT:
        parts = open_parts.pop(entry.session, None)
        if parts is None:
            raise RestoreFailed(
                f"A transaction that was committed at {entry.time} was prepared before what was "
                "captured of the oplog begins."
            )
        yield from _whole(parts, entry.time)
    elif command != _APPLY_OPS:
        yield entry
    elif entry.is_separate or not entry.session:
        yield from _operations([entry], entry.time)
    elif is_true(entry.what, b"partialTxn") or is_true(entry.what, b"prepare"):
        open_parts.setdefault(entry.session, []).append(entry)
    else:
        yield from _whole([*open_parts.pop(entry.session, []), entry], entry.time)


def _whole(parts: list[Entry], time: ClusterTime) -> list[Entry]:
    """The last part of a chain says how many operations there are in all."""
    operations = list(_operations(parts, time))
    count = _count(parts[-1].what)
    if count is not None and count != len(operations):
        raise RestoreFailed(
            f"Of the {count} operations of a transaction that was committed at {time} only "
            f"{len(operations)} are in what was captured of the oplog."
        )
    return operations


def _count(command: bytes) -> int | None:
    for element in elements(command):
        if element.name == b"count" and element.kind in {INT32, INT64}:
            return int.from_bytes(command[element.value : element.end], "little", signed=True)
    return None


def _operations(parts: Iterable[Entry], time: ClusterTime) -> Iterator[Entry]:
    for part in parts:
        for inner in inner_entries(part.what, time):
            if inner.operation == COMMAND and command_of(inner) == _APPLY_OPS:
                yield from _operations([inner], time)
            elif inner.operation != NOTHING:
                yield inner
