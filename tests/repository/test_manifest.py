"""The bytes of a manifest."""

import json
import struct
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import zstandard
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from telamon.errors import IntegrityError, UnknownFormat
from telamon.model.manifest import (
    ChunkRef,
    ClusterTime,
    CollectionKind,
    CollectionSpec,
    Consistency,
    Manifest,
    Namespace,
    StoredCollection,
)
from telamon.repository.manifest import decode_manifest, encode_manifest, manifest_key
from tests.repository.samples import FIRST, SECOND, collection, flip, manifest

uint32 = st.integers(0, (1 << 32) - 1)
short_bytes = st.binary(max_size=40)
chunk_refs = st.builds(
    ChunkRef,
    chunk_id=st.binary(min_size=32, max_size=32),
    documents=uint32,
    size_bytes=uint32,
)
specs = st.builds(
    CollectionSpec,
    namespace=st.builds(Namespace, st.text(), st.text()),
    kind=st.sampled_from(CollectionKind),
    options=short_bytes,
    indexes=st.lists(short_bytes, max_size=3).map(tuple),
    uuid=st.none() | st.binary(min_size=16, max_size=16),
    capped=st.booleans(),
)
manifests = st.builds(
    Manifest,
    snapshot_id=st.text(),
    group_id=st.text(),
    instance_id=st.text(),
    instance_name=st.text(),
    taken_at=st.datetimes(timezones=st.just(UTC)),
    cluster_time=st.builds(ClusterTime, seconds=uint32, increment=uint32),
    consistency=st.sampled_from(Consistency),
    mongodb_version=st.text(),
    feature_compatibility_version=st.text(),
    collections=st.lists(
        st.builds(StoredCollection, spec=specs, chunks=st.lists(chunk_refs, max_size=3).map(tuple)),
        max_size=3,
    ).map(tuple),
)

SAMPLE = manifest(
    FIRST,
    [
        collection(
            "orders",
            [
                ChunkRef(chunk_id=b"\x11" * 32, documents=3, size_bytes=300),
                ChunkRef(chunk_id=b"\x22" * 32, documents=4, size_bytes=500),
            ],
        ),
        collection("empty", []),
    ],
)


def members(blob: bytes) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(zstandard.decompress(blob[44:]))
    return parsed


def framed(payload: bytes, version: int = 1) -> bytes:
    """A manifest whose hash is right, whatever it holds."""
    head = b"TLMNSNAP" + struct.pack("<I", version)
    return head + blake3(head + payload).digest() + payload


def test_a_manifest_lies_under_its_snapshots_id() -> None:
    assert manifest_key(FIRST) == "snapshots/65f0000000000000000000a1"


@settings(max_examples=200)
@given(manifests)
def test_what_was_encoded_is_decoded(original: Manifest) -> None:
    assert decode_manifest(original.snapshot_id, encode_manifest(original)) == original


def test_equal_manifests_are_equal_bytes() -> None:
    assert encode_manifest(SAMPLE) == encode_manifest(replace(SAMPLE))


def test_the_frame_is_that_of_the_format() -> None:
    blob = encode_manifest(SAMPLE)
    assert blob[:12] == b"TLMNSNAP\x01\0\0\0"
    assert blob[12:44] == blake3(blob[:12] + blob[44:]).digest()


def test_the_members_are_those_of_the_format() -> None:
    parsed = members(encode_manifest(SAMPLE))
    collections = parsed.pop("collections")
    assert parsed == {
        "snapshot_id": FIRST,
        "group_id": "65f0000000000000000000b1",
        "instance_id": "65f0000000000000000000c1",
        "instance_name": "Instance0",
        "taken_at": "2026-01-22T12:30:00+00:00",
        "cluster_time": {"seconds": 1769085000, "increment": 7},
        "consistency": "snapshot",
        "mongodb_version": "6.0.5",
        "feature_compatibility_version": "6.0",
        "summary": {"collections": 2, "documents": 7, "size_bytes": 800},
    }
    assert isinstance(collections, list)
    orders, empty = collections
    assert b64decode(orders.pop("chunks")) == (
        b"\x11" * 32 + b"\x03\0\0\0\x2c\x01\0\0" + b"\x22" * 32 + b"\x04\0\0\0\xf4\x01\0\0"
    )
    assert orders == {
        "database": "shop",
        "name": "orders",
        "kind": "collection",
        "options": "BQAAAAA=",
        "indexes": ["LgAAABB2AAIAAAADa2V5AA4AAAAQX2lkAAEAAAAAAm5hbWUABQAAAF9pZF8AAA=="],
        "uuid": "AAECAwQFBgcICQoLDA0ODw==",
        "capped": False,
        "summary": {"documents": 7, "size_bytes": 800},
    }
    assert empty["chunks"] == ""


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    local = datetime(2026, 1, 22, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    blob = encode_manifest(replace(SAMPLE, taken_at=local))
    assert members(blob)["taken_at"] == "2026-01-22T12:30:00+00:00"


def test_a_time_without_a_zone_is_refused() -> None:
    naive = SAMPLE.taken_at.replace(tzinfo=None)
    with pytest.raises(ValueError, match="needs a time zone"):
        encode_manifest(replace(SAMPLE, taken_at=naive))


def test_every_flipped_bit_is_found_and_named() -> None:
    blob = encode_manifest(SAMPLE)
    for position in range(len(blob)):
        for bit in range(8):
            with pytest.raises(IntegrityError) as caught:
                decode_manifest(FIRST, flip(blob, position, bit))
            assert caught.value.message == (
                f"The manifest of snapshot {FIRST} is damaged: its hash does not match."
            )


def test_every_truncation_is_found_and_named() -> None:
    blob = encode_manifest(SAMPLE)
    for length in range(len(blob)):
        with pytest.raises(IntegrityError, match=f"snapshot {FIRST} is damaged"):
            decode_manifest(FIRST, blob[:length])


def test_the_manifest_of_another_snapshot_is_refused() -> None:
    with pytest.raises(IntegrityError) as caught:
        decode_manifest(SECOND, encode_manifest(SAMPLE))
    assert caught.value.message == (
        f"The manifest of snapshot {SECOND} is damaged: it is that of snapshot {FIRST}."
    )


def test_a_later_version_is_told_from_damage() -> None:
    with pytest.raises(UnknownFormat) as caught:
        decode_manifest(FIRST, framed(b"of the future", version=3))
    assert caught.value.message == (
        f"The manifest of snapshot {FIRST} has format version 3, which this version does not know."
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not zstd",
        zstandard.compress(b"not JSON"),
        zstandard.compress(b"\xff"),
        zstandard.compress(b"{}"),
        zstandard.compress(b"[]"),
        zstandard.compress(b"null"),
        zstandard.compress(
            json.dumps(members(encode_manifest(SAMPLE)) | {"collections": 1}).encode()
        ),
        zstandard.compress(
            json.dumps(members(encode_manifest(SAMPLE)) | {"consistency": "odd"}).encode()
        ),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(payload: bytes) -> None:
    with pytest.raises(IntegrityError, match="it lacks what a manifest must hold"):
        decode_manifest(FIRST, framed(payload))


@pytest.mark.parametrize("chunks", ["A", "AAAA", "!" * 8])
def test_a_list_of_chunks_that_is_no_list_of_records_is_refused(chunks: str) -> None:
    parsed = members(encode_manifest(SAMPLE))
    assert isinstance(parsed["collections"], list)
    parsed["collections"][0]["chunks"] = chunks
    with pytest.raises(IntegrityError, match="it lacks what a manifest must hold"):
        decode_manifest(FIRST, framed(zstandard.compress(json.dumps(parsed).encode())))


def test_members_that_this_version_does_not_know_are_passed_over() -> None:
    parsed = members(encode_manifest(SAMPLE)) | {"note": "from a later program"}
    blob = framed(zstandard.compress(json.dumps(parsed).encode()))
    assert decode_manifest(FIRST, blob) == SAMPLE


def test_a_manifest_without_consistency_has_no_cluster_time() -> None:
    standalone = replace(SAMPLE, cluster_time=None, consistency=Consistency.NONE)
    blob = encode_manifest(standalone)
    assert (members(blob)["cluster_time"], members(blob)["consistency"]) == (None, "none")
    assert decode_manifest(FIRST, blob) == standalone


def test_starts_of_chunks_are_kept_if_all_are_known() -> None:
    first, *others = SAMPLE.collections
    known = [replace(chunk, start=2**64 - 1 - n) for n, chunk in enumerate(first.chunks)]
    whole = replace(SAMPLE, collections=(replace(first, chunks=tuple(known)), *others))
    assert decode_manifest(FIRST, encode_manifest(whole)) == whole
    half = replace(first, chunks=(*known[:1], *first.chunks[1:]))
    blob = encode_manifest(replace(SAMPLE, collections=(half, *others)))
    written: Any = members(blob)
    assert "starts" not in written["collections"][0]


def test_as_many_starts_as_chunks_are_needed() -> None:
    changed: Any = members(encode_manifest(SAMPLE))
    changed["collections"][0]["starts"] = b64encode(bytes(8)).decode()
    blob = framed(zstandard.compress(json.dumps(changed).encode()))
    with pytest.raises(IntegrityError, match="lacks what a manifest must hold"):
        decode_manifest(FIRST, blob)
