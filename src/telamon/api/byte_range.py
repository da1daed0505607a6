"""Which part of a file a request asks for (RFC 9110 section 14), as a pure function."""

import re

from telamon.errors import RangeNotSatisfiable

# More digits than any file has bytes are not worth reading.
_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.IGNORECASE)


def wanted(
    asked: str | None, if_range: str | None, *, etag: str, size_bytes: int
) -> tuple[int, int] | None:
    """First byte, and the one after the last; None for the whole file.

    ``asked`` is the ``Range`` header. What is no single range of bytes is ignored, as the whole file
    answers it too; so is any range of a file that is not the one of ``if_range``, which may be a
    strong ETag only: there are no dates here. Raises RangeNotSatisfiable.
    """
    if asked is None or if_range not in (None, etag):
        return None
    match = _ONE_RANGE.fullmatch(asked.strip())
    if match is None:
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), int(last) + 1 if last else size_bytes
        if last and end <= start:
            return None
    elif last:
        start, end = max(size_bytes - int(last), 0), size_bytes
    else:
        return None
    if start >= size_bytes or start >= end:
        raise RangeNotSatisfiable(size_bytes)
    return start, min(end, size_bytes)
