"""A gzip file without compression, of which any range can be made from little more than itself.

gzip (RFC 1952) around deflate's stored blocks (RFC 1951 section 3.2.4): one member for every 16 blocks
of 65,535 bytes, the last member and its last block shorter. So the length of the file and the place
of every byte in it are arithmetic over the length of the content: the first byte goes out at once, a
range costs what the members that it touches cost, and packing costs next to nothing. With
compressed blocks, where one begins is known only when all before it have been made.
"""

import struct
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

BLOCK_BYTES = 0xFFFF
MEMBER_CONTENT_BYTES = 16 * BLOCK_BYTES
# Deflate, no flags, no time, no hint, unknown system.
_HEADER = bytes.fromhex("1f8b08000000000000ff")
_BLOCK_HEADER = struct.Struct("<BHH")
_TRAILER = struct.Struct("<II")

Content = Callable[[int, int], Generator[memoryview]]
"""Gives the bytes of the content from one offset to before another, in pieces of any size."""


def file_bytes(content_bytes: int) -> int:
    """The length of the file around a content of that length. A content of nothing is no file."""
    whole, rest = divmod(content_bytes, MEMBER_CONTENT_BYTES)
    return whole * _member_bytes(MEMBER_CONTENT_BYTES) + (_member_bytes(rest) if rest else 0)


def read(content: Content, content_bytes: int, start: int, end: int) -> Generator[bytes]:
    """The bytes of the file from ``start`` to before ``end``, a member's at a time.

    ``start`` and ``end`` lie in the file. Asks for the content of the members that the range
    touches and for no more. Raises what ``content`` raises.
    """
    if start >= end:
        return
    full_bytes = _member_bytes(MEMBER_CONTENT_BYTES)
    first = start // full_bytes
    content_start = first * MEMBER_CONTENT_BYTES
    content_end = min(((end - 1) // full_bytes + 1) * MEMBER_CONTENT_BYTES, content_bytes)
    position = first * full_bytes
    with closing(content(content_start, content_end)) as pieces:
        for parts in _members(pieces):
            member = _member(parts)
            yield member[max(start - position, 0) : end - position]
            position += len(member)


def _members(pieces: Iterator[memoryview]) -> Iterator[list[memoryview]]:
    """The content of each member, in parts."""
    parts: list[memoryview] = []
    missing = MEMBER_CONTENT_BYTES
    for piece in pieces:
        rest = piece
        while len(rest) >= missing:
            parts.append(rest[:missing])
            yield parts
            rest = rest[missing:]
            parts, missing = [], MEMBER_CONTENT_BYTES
        if rest:
            parts.append(rest)
            missing -= len(rest)
    if parts:
        yield parts


def _member(content: list[memoryview]) -> bytes:
    """Copied once: into the member."""
    length = left = sum(map(len, content))
    crc = room = 0
    parts: list[bytes | memoryview] = [_HEADER]
    for part in content:
        crc = zlib.crc32(part, crc)
        rest = part
        while rest:
            if room == 0:
                room = min(BLOCK_BYTES, left)
                left -= room
                parts.append(_BLOCK_HEADER.pack(left == 0, room, room ^ 0xFFFF))
            parts.append(rest[:room])
            room -= len(parts[-1])
            rest = rest[len(parts[-1]) :]
    parts.append(_TRAILER.pack(crc, length))
    return b"".join(parts)


def _member_bytes(content_bytes: int) -> int:
    blocks = -(-content_bytes // BLOCK_BYTES)
    return len(_HEADER) + blocks * _BLOCK_HEADER.size + content_bytes + _TRAILER.size
