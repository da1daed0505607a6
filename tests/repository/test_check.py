"""Damage of every kind is found, named, and laid to the snapshots that it harms."""

import random
import secrets
from collections.abc import Callable

import pytest

from telamon.blobs.base import BlobStore
from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError, SecretUnreadable
from telamon.repository.check import Check, CheckReport, Finding, Part
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.repository import Repository
from tests.repository.samples import (
    FIRST,
    SECOND,
    SMALL_CUT,
    collection,
    document,
    flip,
    keys,
    manifest,
    noise,
    orders,
    read,
    replace_blob,
)

SECRET = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"k" * 32)
OTHER = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"o" * 32)
OLD = orders(80)
NEW = [document(n, "new") if n % 20 == 3 else document(n) for n in range(80)]
NOISE = noise(60)
CONTENT = {FIRST: {"orders": OLD}, SECOND: {"orders": NEW, "noise": NOISE}}


@pytest.fixture(params=[None, SECRET], ids=["plain", "encrypted"])
def secret(request: pytest.FixtureRequest) -> RepositorySecret | None:
    found: RepositorySecret | None = request.param
    return found


@pytest.fixture
def store(small_packs: None, secret: RepositorySecret | None) -> MemoryBlobStore:
    """A first snapshot, and a second one with deltas of it and chunks of its own."""
    store = MemoryBlobStore()
    repository = Repository.create(store, secrets.token_bytes, SMALL_CUT, secret)
    with repository.begin() as writer:
        first = writer.add([b"".join(OLD)])
        writer.commit(manifest(FIRST, [collection("orders", first)]))
    with repository.begin() as writer:
        second = writer.add([b"".join(NEW)], first)
        assert writer.counts.delta_chunks > 0
        other = writer.add([b"".join(NOISE)])
        writer.commit(manifest(SECOND, [collection("orders", second), collection("noise", other)]))
    return store


def check(
    store: BlobStore,
    secret: RepositorySecret | None,
    *,
    percent: float = 100.0,
    expected: tuple[str, ...] = (FIRST, SECOND),
) -> CheckReport:
    repository = Repository.open(store, secret)
    return Check(repository, random.Random(1)).run(read_data_percent=percent, expected=expected)


def harmed_snapshots(findings: tuple[Finding, ...]) -> set[str]:
    return {snapshot_id for found in findings for snapshot_id in found.snapshots}


def restorable(store: BlobStore, secret: RepositorySecret | None) -> set[str]:
    """Snapshots that are read back right; a wrong answer is worse than none."""
    right = set()
    for snapshot_id, content in CONTENT.items():
        try:
            found = read(Repository.open(store, secret), snapshot_id)
        except IntegrityError:
            continue
        assert found == {name: b"".join(documents) for name, documents in content.items()}
        right.add(snapshot_id)
    return right


def test_a_whole_repository_is_clean(
    store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    report = check(store, secret)
    assert report.findings == ()
    assert report.notes == ()
    assert (report.snapshots, report.packs) == (2, len(keys(store, "packs/")))
    assert report.read_bytes == sum(info.size_bytes for info in store.list("packs/"))
    assert report.unneeded_chunks == 0
    assert report.chunks > 10


Harm = Callable[[MemoryBlobStore, str], None]


def flip_a_bit(position: int) -> Harm:
    return lambda store, key: replace_blob(store, key, flip(store.get(key), position, 5))


def cut_to(length: int) -> Harm:
    return lambda store, key: replace_blob(store, key, store.get(key)[:length])


def remove(store: MemoryBlobStore, key: str) -> None:
    store.delete(key)


def swap(store: MemoryBlobStore, key: str) -> None:
    """With another blob of its kind."""
    other = next(k for k in keys(store, key.split("/", maxsplit=1)[0]) if k != key)
    mine, its = store.get(key), store.get(other)
    replace_blob(store, key, its)
    replace_blob(store, other, mine)


HARMS = {
    "bit at the start": flip_a_bit(4),
    "bit in the middle": flip_a_bit(70),
    "bit at the end": flip_a_bit(-3),
    "bit in the index's hash": flip_a_bit(-20),
    "truncated": cut_to(100),
    "one byte short": cut_to(-1),
    "empty": cut_to(0),
    "gone": remove,
    "swapped": swap,
}


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("harm", HARMS)
def test_every_harm_to_a_pack_is_found(
    harm: str, number: int, store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    packs = keys(store, "packs/")
    key = packs[number * (len(packs) - 1) // 2]
    HARMS[harm](store, key)
    findings = check(store, secret).findings
    assert findings
    right = restorable(store, secret)
    assert harmed_snapshots(findings) == CONTENT.keys() - right
    if harm != "gone":
        assert any(key in found.harm for found in findings)
    else:
        assert {found.part for found in findings} == {Part.CHUNK}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("snapshot_id", CONTENT)
def test_every_harm_to_a_manifest_is_found(
    harm: str, snapshot_id: str, store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    HARMS[harm](store, f"snapshots/{snapshot_id}")
    findings = check(store, secret, percent=0).findings
    assert {found.part for found in findings} == {Part.MANIFEST}
    names = {found.name for found in findings}
    assert f"snapshots/{snapshot_id}" in names
    assert all(found.snapshots and found.snapshots[0] in found.harm for found in findings)
    for other in CONTENT.keys() - harmed_snapshots(findings):
        expected = {name: b"".join(documents) for name, documents in CONTENT[other].items()}
        assert read(Repository.open(store, secret), other) == expected


def test_a_manifest_under_another_id_is_found(
    store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    copied = "65f0000000000000000000aa"
    assert store.put(f"snapshots/{copied}", store.get(f"snapshots/{FIRST}"))
    (found,) = check(store, secret).findings
    assert (found.part, found.snapshots) == (Part.MANIFEST, (copied,))


def test_a_pack_under_another_name_is_found_by_reading_it(
    store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    key = keys(store, "packs/")[0]
    copied = f"packs/00/{'0' * 64}"
    assert store.put(copied, store.get(key))
    assert check(store, secret, percent=0).findings == ()
    (found,) = check(store, secret).findings
    assert (found.part, found.name, found.snapshots) == (Part.PACK, copied, ())
    assert restorable(store, secret) == CONTENT.keys()


@pytest.mark.parametrize("harm", ["bit in the middle", "truncated", "empty"])
def test_harm_to_the_config_is_found(
    harm: str, store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    """By whoever has the repository open; nobody can open it any more."""
    repository = Repository.open(store, secret)
    HARMS[harm](store, "config")
    findings = Check(repository, random.Random(1)).run().findings
    assert [(found.part, found.name) for found in findings] == [(Part.CONFIG, "config")]
    with pytest.raises(IntegrityError, match="The repository's config is damaged"):
        Repository.open(store, secret)


@pytest.mark.parametrize("secret", [SECRET], indirect=True)
def test_harm_to_the_keys_is_found(store: MemoryBlobStore) -> None:
    repository = Repository.open(store, SECRET)
    (key,) = keys(store, "keys/")
    replace_blob(store, key, store.get(key).replace(b'"key-file"', b'"key-pile"'))
    findings = Check(repository, random.Random(1)).run().findings
    assert [(found.part, found.name) for found in findings] == [(Part.KEY, key)]


@pytest.mark.parametrize("secret", [SECRET], indirect=True)
def test_the_wrong_key_opens_nothing(store: MemoryBlobStore) -> None:
    with pytest.raises(SecretUnreadable):
        Repository.open(store, OTHER)


def test_a_damaged_base_harms_whoever_needs_a_delta_of_it(
    store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    repository = Repository.open(store, secret)
    repository.index.refresh()
    second = repository.manifest(SECOND).collections[0]
    delta = next(
        place
        for chunk in second.chunks
        if (place := repository.index.locate(chunk.chunk_id)).base_ids
    )
    base = repository.index.locate(delta.base_ids[0])
    replace_blob(store, base.pack_key, flip(store.get(base.pack_key), base.offset + 35, 5))
    findings = check(store, secret).findings
    of_base = next(found for found in findings if found.name == delta.base_ids[0].hex())
    assert SECOND in of_base.snapshots
    assert SECOND not in restorable(store, secret)


def test_a_damaged_copy_harms_nobody_while_another_is_whole(
    store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    empty = MemoryBlobStore()
    for key in keys(store):
        if not key.startswith("packs/"):
            assert empty.put(key, store.get(key))
    twin = Repository.open(empty, secret)
    with twin.begin() as writer:
        writer.add([b"".join(OLD)])
        writer.commit(manifest("65f0000000000000000000ff", []))
    for info in empty.list("packs/"):
        store.put(info.key, empty.get(info.key))
    for info in list(empty.list("packs/")):
        blob = bytearray(store.get(info.key))
        blob[40] ^= 32
        replace_blob(store, info.key, bytes(blob))
    findings = check(store, secret).findings
    assert findings
    assert harmed_snapshots(findings) == CONTENT.keys() - restorable(store, secret)


def test_a_damaged_base_harms_nobody_who_has_another_copy_of_the_delta(
    store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    """Another writer, which knew no earlier snapshot, has stored the second one's chunks whole."""
    empty = MemoryBlobStore()
    for key in keys(store):
        if not key.startswith("packs/"):
            assert empty.put(key, store.get(key))
    with Repository.open(empty, secret).begin() as writer:
        whole = writer.add([b"".join(NEW)])
        writer.commit(manifest("65f0000000000000000000ff", []))
    index = Repository.open(store, secret).index
    index.refresh()
    deltas = [place for chunk in whole if (place := index.find(chunk.chunk_id)) and place.base_ids]
    base = index.find(deltas[0].base_ids[0])
    assert base is not None
    for info in empty.list("packs/"):
        store.put(info.key, empty.get(info.key))

    blob = store.get(base.pack_key)
    replace_blob(store, base.pack_key, flip(blob, base.offset + base.stored_bytes // 2))

    assert restorable(store, secret) == {SECOND}
    assert harmed_snapshots(check(store, secret).findings) == {FIRST}


def test_what_is_no_part_of_a_repository_is_noted(
    store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    store.put("readme", b"hello")
    store.put("packs/odd", b"hello")
    report = check(store, secret)
    assert report.findings == ()
    assert report.notes == (
        "packs/odd is no part of a repository.",
        "readme is no part of a repository.",
    )


def test_chunks_that_nobody_needs_are_counted(
    store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    Repository.open(store, secret).delete_snapshot(SECOND)
    report = check(store, secret, expected=(FIRST,))
    assert report.findings == ()
    assert report.unneeded_chunks > 0


@pytest.mark.parametrize("percent", [0, 10, 50])
def test_a_part_of_the_packs_is_read(
    percent: float, store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    total = sum(info.size_bytes for info in store.list("packs/"))
    report = check(store, secret, percent=percent)
    assert total * percent / 100 <= report.read_bytes <= total * percent / 100 + 3500


def test_progress_ends_at_the_whole(
    store: MemoryBlobStore, secret: RepositorySecret | None
) -> None:
    told: list[tuple[int, int]] = []
    Check(Repository.open(store, secret), random.Random(1)).run(
        read_data_percent=100, progress=lambda done, total: told.append((done, total))
    )
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == sum(info.size_bytes for info in store.list("packs/"))
