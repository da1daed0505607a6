"""A snapshot as a mongodump archive: read back by a reader of its own, into a mongod."""

import gzip
import io
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import decode, encode
from hypothesis import given, settings
from hypothesis import strategies as st

from telamon.model.manifest import (
    ChunkRef,
    CollectionKind,
    CollectionSpec,
    Consistency,
    Manifest,
    Namespace,
    StoredCollection,
)
from telamon.mongo import stored_gzip
from telamon.mongo.archive import Archive, checksum
from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.archive_reader import BadArchive, ReadArchive, read_archive
from tests.mongo.memory import Memory, content, take

UUID = bytes(range(16))


def manifest_of(collections: list[StoredCollection]) -> Manifest:
    return Manifest(
        snapshot_id="65f0000000000000000000d0",
        group_id="65f0000000000000000000b0",
        instance_id="65f0000000000000000000c0",
        instance_name="orders",
        taken_at=datetime(2026, 1, 22, tzinfo=UTC),
        cluster_time=None,
        consistency=Consistency.NONE,
        mongodb_version="6.0.5",
        feature_compatibility_version="6.0",
        collections=tuple(collections),
    )


class Chunks:
    """Collections of made-up chunks, and who asked for which of them."""

    def __init__(self, collections: dict[str, list[bytes]]) -> None:
        self.asked: list[bytes] = []
        self.closed = 0
        self._chunks: dict[bytes, bytes] = {}
        stored = []
        for name, chunks in collections.items():
            refs = []
            for data in chunks:
                chunk_id = f"{len(self._chunks)}".encode()
                self._chunks[chunk_id] = data
                refs.append(ChunkRef(chunk_id=chunk_id, documents=1, size_bytes=len(data)))
            stored.append(StoredCollection(spec=spec(name), chunks=tuple(refs)))
        self.manifest = manifest_of(stored)
        sums = [checksum(b"".join(self.documents(one))) for one in stored]
        self.archive = Archive(self.manifest, sums)
        self.asked = []

    def documents(self, stored: StoredCollection) -> Generator[bytes]:
        try:
            for chunk in stored.chunks:
                self.asked.append(chunk.chunk_id)
                yield self._chunks[chunk.chunk_id]
        finally:
            self.closed += 1

    def read(self, start: int, end: int) -> bytes:
        return b"".join(self.archive.read(start, end, self.documents))


def spec(name: str, **changes: Any) -> CollectionSpec:
    made = CollectionSpec(
        namespace=Namespace("shop", name),
        kind=CollectionKind.COLLECTION,
        options=encode({}),
        indexes=(encode({"v": 2, "key": {"_id": 1}, "name": "_id_"}),),
        uuid=UUID,
    )
    return replace(made, **changes)


def document(number: int, size: int = 100) -> bytes:
    return encode({"_id": number, "x": "y" * size})


@pytest.fixture(scope="module")
def chunks() -> Chunks:
    """Three collections: of five chunks, of none, and of one."""
    orders = [document(n, 50 * n) + document(-n) for n in range(5)]
    return Chunks({"orders": orders, "empty": [], "stock": [document(7)]})


def test_the_reader_finds_what_was_put_in(chunks: Chunks) -> None:
    data = chunks.read(0, chunks.archive.size_bytes)

    found = read_archive(io.BytesIO(data))

    assert found.header["version"] == "0.1"
    assert found.header["server_version"] == "6.0.5"
    assert found.header["concurrent_collections"] == 1
    assert list(found.collections) == ["shop.orders", "shop.empty", "shop.stock"]
    assert found.collections["shop.stock"].documents == document(7)
    assert found.collections["shop.empty"].documents == b""
    assert found.collections["shop.orders"].metadata == {
        "options": {},
        "indexes": [{"v": 2, "key": {"_id": 1}, "name": "_id_"}],
        "uuid": UUID.hex(),
        "collectionName": "orders",
        "type": "collection",
    }


def test_an_archive_begins_with_these_bytes(chunks: Chunks) -> None:
    """The magic number of the format, whichever way round."""
    assert chunks.read(0, 4).hex() == "6de29981"


def test_a_collection_without_documents_is_an_end_alone() -> None:
    made = Chunks({"empty": []})

    rest = made.read(len(made.archive.prelude), made.archive.size_bytes)

    assert decode(rest[:-4]) == {"db": "shop", "collection": "empty", "EOF": True, "CRC": 0}
    assert rest[-4:] == b"\xff" * 4


def test_numbers_of_the_metadata_keep_their_kinds() -> None:
    options = encode({"size": 1.0, "max": 10, "far": datetime(2024, 1, 1, tzinfo=UTC)})
    stored = StoredCollection(spec=spec("c", options=options, capped=True), chunks=())

    prelude = Archive(manifest_of([stored]), [0]).prelude

    assert b'"size":{"$numberDouble":"1.0"},"max":{"$numberInt":"10"}' in prelude
    assert b'"far":{"$date":{"$numberLong":"1704067200000"}}' in prelude


def test_a_checksum_is_crc_64_xz() -> None:
    """The check value of the catalogue of CRC algorithms."""
    assert checksum(b"56789", checksum(b"", checksum(b"1234"))) == 0x995DC9BBDF1939FA


def test_as_many_checksums_as_collections_are_needed(chunks: Chunks) -> None:
    with pytest.raises(ValueError, match="zip"):
        Archive(chunks.manifest, [0])


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_range_is_that_part_of_the_whole(chunks: Chunks, data: st.DataObject) -> None:
    size = chunks.archive.size_bytes
    start = data.draw(st.integers(0, size))
    end = data.draw(st.integers(start, size))
    whole = chunks.read(0, size)

    assert chunks.read(start, end) == whole[start:end]


def test_a_range_asks_for_no_chunk_that_it_does_not_touch(chunks: Chunks) -> None:
    whole = chunks.read(0, chunks.archive.size_bytes)
    start = whole.index(document(3, 150)) + 1
    end = whole.index(document(4, 200)) + 1
    chunks.asked.clear()

    chunks.read(start, end)
    assert chunks.asked == [b"3", b"4"]
    chunks.asked.clear()

    chunks.read(start, end - 1)
    assert chunks.asked == [b"3"]


def test_chunks_are_asked_for_one_by_one_as_the_reader_takes_them(chunks: Chunks) -> None:
    chunks.asked.clear()
    reading = chunks.archive.read(
        len(chunks.archive.prelude), chunks.archive.size_bytes, chunks.documents
    )

    next(reading)  # what stands before the documents
    assert chunks.asked == []
    next(reading)
    assert chunks.asked == [b"0"]
    closed = chunks.closed
    reading.close()
    assert (chunks.asked, chunks.closed) == ([b"0"], closed + 1)


def test_a_flipped_bit_of_a_document_is_a_wrong_checksum(chunks: Chunks) -> None:
    data = bytearray(chunks.read(0, chunks.archive.size_bytes))
    data[data.index(b"yyyy")] ^= 1

    with pytest.raises(BadArchive, match="CRC mismatch"):
        read_archive(io.BytesIO(data))


def test_an_archive_that_was_cut_is_found_out(chunks: Chunks) -> None:
    data = chunks.read(0, chunks.archive.size_bytes)

    for end in (3, 40, len(chunks.archive.prelude), len(data) - 200, len(data) - 1):
        with pytest.raises(BadArchive):
            read_archive(io.BytesIO(data[:end]))


# On a real mongod


def file_of(memory: Memory) -> bytes:
    """The archive of a snapshot in memory as the file that it is sent as."""

    def documents(stored: StoredCollection) -> Generator[bytes]:
        yield from memory.open(stored)

    manifest = manifest_of(memory.collections)
    archive = Archive(manifest, [checksum(b"".join(documents(one))) for one in memory.collections])
    size = archive.size_bytes
    file_bytes = stored_gzip.file_bytes(size)
    pieces = stored_gzip.read(
        lambda start, end: archive.read(start, end, documents), size, 0, file_bytes
    )
    return b"".join(pieces)


def read_back(memory: Memory) -> ReadArchive:
    return read_archive(io.BytesIO(gzip.decompress(file_of(memory))))


def test_the_whole_zoo_comes_back_the_same(source: Mongod, target: Mongod) -> None:
    """Views, time series, capped, clustered, validated and collated collections, odd names; compared
    by dbHash, options and index definitions."""
    zoo.fill(source.client)

    read_back(take(source.client)).restore(target.client)

    assert content(target.client) == content(source.client)


def test_time_series_are_their_buckets_and_views_are_empty(source: Mongod) -> None:
    zoo.fill_timeseries(source.client)

    found = read_back(take(source.client)).collections

    measured = found["series.measured"]
    assert (measured.kind, "uuid" in measured.metadata) == ("timeseries", False)
    buckets: Any = source.client["series"]["system.buckets.measured"].find_raw_batches()
    assert measured.documents == b"".join(buckets)
    view = found["series.view of measured"]
    assert (view.kind, view.documents, view.metadata["indexes"]) == ("view", b"", [])


@pytest.mark.skipif(
    shutil.which("mongorestore") is None, reason="there is no mongorestore on the PATH"
)
def test_mongorestore_restores_it(source: Mongod, target: Mongod, tmp_path: Path) -> None:
    """Without the zero timestamps, which mongorestore inserts as the present time."""
    zoo.fill_kinds(source.client)
    source.client.drop_database("functions")
    zoo.fill_timeseries(source.client)
    path = tmp_path / "archive.gz"
    path.write_bytes(file_of(take(source.client)))

    subprocess.run(
        ["mongorestore", f"--uri={target.uri}", "--gzip", f"--archive={path}", "--quiet"],
        check=True,
    )

    assert content(target.client) == content(source.client)
