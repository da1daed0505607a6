"""Identifiers: 24 lower-case hex digits, the creation second in the first eight.

The shape is ObjectId's (MongoDB manual, "ObjectId"), since clients check it and some of them
read the time out of it (contract section 7).
"""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

IdFactory = Callable[[datetime], str]
"""Makes a new id for something created at the given moment."""

PATTERN = r"[a-f0-9]{24}"

_ID = re.compile(PATTERN)
_RANDOM_BYTES = 8


def new_id(at: datetime) -> str:
    """A fresh id; ids made in one second differ by 64 random bits."""
    return f"{int(at.timestamp()):08x}{secrets.token_hex(_RANDOM_BYTES)}"


def is_id(text: str) -> bool:
    """Whether ``text`` has the shape of an id."""
    return _ID.fullmatch(text) is not None


def created_at(identifier: str) -> datetime:
    """The second an id was made, as it stands in its first four bytes."""
    return datetime.fromtimestamp(int(identifier[:8], 16), UTC)
