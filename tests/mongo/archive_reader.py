"""Reads a mongodump archive, checks every checksum in it, and restores it as mongorestore does.

Written from the format's description, and shares no code with what writes archives.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from bson import decode
from bson.json_util import CANONICAL_JSON_OPTIONS, loads
from fastcrc import crc64

from telamon.mongo.connect import Client
from telamon.mongo.write import batches, insert

_MAGIC = 0x8199E26D
_END = 0xFFFFFFFF


class BadArchive(Exception):
    """Not an archive, or one that has been harmed."""


@dataclass
class ReadCollection:
    """One that the prelude tells of, and its documents."""

    database: str
    name: str
    kind: str
    size: int
    metadata: dict[str, Any]
    documents: bytes = b""
    is_complete: bool = False


@dataclass
class ReadArchive:
    header: dict[str, Any]
    collections: dict[str, ReadCollection] = field(default_factory=dict)

    def restore(self, client: Client) -> None:
        """Into a deployment without user databases; views last, as they may stand on anything."""
        found = self.collections.values()
        for one in sorted(found, key=lambda one: one.kind == "view"):
            _restore(client, one)


def read_archive(file: BinaryIO) -> ReadArchive:
    """Raises BadArchive."""
    if _number(file) != _MAGIC:
        raise BadArchive("the magic number is another")
    header, *described = _documents(file)
    archive = ReadArchive(decode(header))
    buckets = {}
    for document in map(decode, described):
        one = ReadCollection(
            document["db"],
            document["collection"],
            document["type"],
            document["size"],
            loads(document["metadata"], json_options=CANONICAL_JSON_OPTIONS),
        )
        prefix = "system.buckets." if one.kind == "timeseries" else ""
        buckets[one.database, prefix + one.name] = one
        archive.collections[f"{one.database}.{one.name}"] = one
    while document_head := file.read(4):
        _read_segment(file, document_head, buckets)
    for one in archive.collections.values():
        if not one.is_complete or len(one.documents) != one.size:
            raise BadArchive(f"{one.database}.{one.name} is not complete")
    return archive


def _read_segment(
    file: BinaryIO, head: bytes, collections: dict[tuple[str, str], ReadCollection]
) -> None:
    namespace = decode(_document(file, head))
    one = collections.get((namespace["db"], namespace["collection"]))
    if one is None or one.is_complete:
        raise BadArchive(f"{namespace} is not told of, or has ended")
    documents = b"".join(_documents(file))
    if namespace["EOF"]:
        one.is_complete = True
        if documents or namespace["CRC"] % 2**64 != crc64.xz(one.documents):
            raise BadArchive(f"CRC mismatch for {namespace}")
    elif not documents:
        raise BadArchive(f"a segment of {namespace} has no documents")
    one.documents += documents


def _documents(file: BinaryIO) -> Iterator[bytes]:
    while True:
        head = file.read(4)
        if len(head) == 4 and struct.unpack("<I", head)[0] == _END:
            return
        yield _document(file, head)


def _document(file: BinaryIO, head: bytes) -> bytes:
    if len(head) < 4:
        raise BadArchive("it ends within a document")
    (length,) = struct.unpack("<i", head)
    rest = file.read(length - 4) if length >= 5 else b""
    if length < 5 or len(rest) != length - 4 or rest[-1] != 0:
        raise BadArchive("no whole document")
    return head + rest


def _number(file: BinaryIO) -> int:
    data = file.read(4)
    return int.from_bytes(data, "little")


def _restore(client: Client, one: ReadCollection) -> None:
    database = client[one.database]
    indexes = [index for index in one.metadata["indexes"] if index["name"] != "_id_"]
    options = dict(one.metadata["options"])
    for index in one.metadata["indexes"]:
        if index["name"] == "_id_" and not index.get("clustered"):
            options["idIndex"] = index
    if one.kind != "collection":
        options.pop("idIndex", None)
    database.command({"create": one.name, **options})
    holder = f"system.buckets.{one.name}" if one.kind == "timeseries" else one.name
    for batch in batches([one.documents]):
        insert(database, holder, batch, ordered=True)
    if indexes:
        has_collation = "collation" in options
        simple = {"collation": {"locale": "simple"}} if has_collation else {}
        database.command({"createIndexes": one.name, "indexes": [simple | one for one in indexes]})
