"""The bytes of a manifest: all that one snapshot consists of.

A short frame with a hash, then zstd, then JSON: whoever has zstd and a JSON library can follow it.
docs/repository-format.md has the byte table and the members.
"""

import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import zstandard

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
from telamon.repository.cipher import Cipher
from telamon.repository.frame import Frame, damaged

MANIFEST_PREFIX = "snapshots/"
_FRAME = Frame(b"TLMNSNAP")
_CHUNK = struct.Struct("<32sII")
_START = struct.Struct("<Q")
_ZSTD_LEVEL = 3


def manifest_key(snapshot_id: str) -> str:
    """Where the snapshot's manifest is; a snapshot exists if and only if something is there."""
    return MANIFEST_PREFIX + snapshot_id


def encode_manifest(manifest: Manifest, cipher: Cipher | None = None) -> bytes:
    """The blob, sealed if there is a ``cipher``. ``taken_at`` must be aware; written in UTC."""
    if manifest.taken_at.tzinfo is None:
        raise ValueError("A snapshot's time needs a time zone.")
    text = json.dumps(_manifest_members(manifest), sort_keys=True, ensure_ascii=False)
    payload = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(text.encode())
    return _FRAME.encode(manifest_key(manifest.snapshot_id), payload, cipher)


def decode_manifest(snapshot_id: str, blob: bytes, cipher: Cipher | None = None) -> Manifest:
    """The manifest that was encoded, exactly.

    Raises ``IntegrityError`` if a bit of it differs or it is another snapshot's, ``UnknownFormat``
    for an unharmed one of a later version; both name the snapshot.
    """
    what = f"The manifest of snapshot {snapshot_id}"
    payload = _FRAME.decode(what, manifest_key(snapshot_id), blob, cipher)
    try:
        text = zstandard.ZstdDecompressor().decompress(payload, allow_extra_data=False)
        manifest = _manifest(json.loads(text))
    except (zstandard.ZstdError, struct.error, ValueError, KeyError, TypeError) as error:
        raise damaged(what, "it lacks what a manifest must hold") from error
    if manifest.snapshot_id != snapshot_id:
        raise damaged(what, f"it is that of snapshot {manifest.snapshot_id}")
    return manifest


def _manifest_members(manifest: Manifest) -> dict[str, object]:
    return {
        "snapshot_id": manifest.snapshot_id,
        "group_id": manifest.group_id,
        "instance_id": manifest.instance_id,
        "instance_name": manifest.instance_name,
        "taken_at": manifest.taken_at.astimezone(UTC).isoformat(),
        "cluster_time": _time_members(manifest.cluster_time),
        "consistency": manifest.consistency.value,
        "mongodb_version": manifest.mongodb_version,
        "feature_compatibility_version": manifest.feature_compatibility_version,
        "summary": {
            "collections": len(manifest.collections),
            "documents": manifest.documents,
            "size_bytes": manifest.size_bytes,
        },
        "collections": [_collection_members(stored) for stored in manifest.collections],
    }


def _time_members(time: ClusterTime | None) -> dict[str, int] | None:
    return None if time is None else {"seconds": time.seconds, "increment": time.increment}


def _cluster_time(members: dict[str, int] | None) -> ClusterTime | None:
    if members is None:
        return None
    return ClusterTime(seconds=members["seconds"], increment=members["increment"])


def _collection_members(stored: StoredCollection) -> dict[str, object]:
    spec = stored.spec
    starts = [chunk.start for chunk in stored.chunks if chunk.start is not None]
    members: dict[str, object] = {
        "database": spec.namespace.database,
        "name": spec.namespace.name,
        "kind": spec.kind.value,
        "options": _base64(spec.options),
        "indexes": [_base64(index) for index in spec.indexes],
        "uuid": None if spec.uuid is None else _base64(spec.uuid),
        "capped": spec.capped,
        "summary": {"documents": stored.documents, "size_bytes": stored.size_bytes},
        "chunks": _base64(
            b"".join(
                _CHUNK.pack(chunk.chunk_id, chunk.documents, chunk.size_bytes)
                for chunk in stored.chunks
            )
        ),
    }
    if starts and len(starts) == len(stored.chunks):
        members["starts"] = _base64(b"".join(map(_START.pack, starts)))
    return members


def _manifest(members: dict[str, Any]) -> Manifest:
    return Manifest(
        snapshot_id=members["snapshot_id"],
        group_id=members["group_id"],
        instance_id=members["instance_id"],
        instance_name=members["instance_name"],
        taken_at=datetime.fromisoformat(members["taken_at"]),
        cluster_time=_cluster_time(members["cluster_time"]),
        consistency=Consistency(members["consistency"]),
        mongodb_version=members["mongodb_version"],
        feature_compatibility_version=members["feature_compatibility_version"],
        collections=tuple(map(_collection, members["collections"])),
    )


def _collection(members: dict[str, Any]) -> StoredCollection:
    uuid = members["uuid"]
    return StoredCollection(
        spec=CollectionSpec(
            namespace=Namespace(members["database"], members["name"]),
            kind=CollectionKind(members["kind"]),
            options=_bytes(members["options"]),
            indexes=tuple(map(_bytes, members["indexes"])),
            uuid=None if uuid is None else _bytes(uuid),
            capped=members["capped"],
        ),
        chunks=tuple(_chunks(members)),
    )


def _chunks(members: dict[str, Any]) -> Iterator[ChunkRef]:
    chunks = list(_CHUNK.iter_unpack(_bytes(members["chunks"])))
    starts = [start for (start,) in _START.iter_unpack(_bytes(members.get("starts", "")))]
    if starts and len(starts) != len(chunks):
        raise ValueError("there are not as many starts as chunks")
    for number, (chunk_id, documents, size_bytes) in enumerate(chunks):
        yield ChunkRef(
            chunk_id=chunk_id,
            documents=documents,
            size_bytes=size_bytes,
            start=starts[number] if starts else None,
        )


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)
