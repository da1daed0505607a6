"""Oplog slices: what goes in comes out, and nothing else does."""

import random
import secrets
import struct

import bson
import pytest
import zstandard
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError, UnknownFormat
from telamon.model.manifest import ClusterTime
from telamon.model.oplog import OplogSlice, OplogWindow, covering
from telamon.repository.check import Check, CheckReport, Part
from telamon.repository.cipher import Cipher
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.oplog_slice import (
    decode_slice,
    encode_slice,
    is_slice_key,
    last_of_key,
    slice_key,
)
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository
from telamon.repository.stats import read_stats
from tests.repository.samples import (
    FIRST,
    SMALL_CUT,
    counting_bytes,
    flip,
    new_repository,
    orders,
    replace_blob,
    take,
)

INSTANCE = "65f0000000000000000000c1"
ENTRIES = b"".join(bson.encode({"op": "i", "o": {"_id": n}}) for n in range(20))
KEY_FILE = RepositorySecret(kind=SecretKind.KEY_FILE, value=bytes(range(32)))


def at(seconds: int, increment: int = 1) -> ClusterTime:
    return ClusterTime(seconds=seconds, increment=increment)


FOUND = OplogSlice(instance_id=INSTANCE, after=at(10, 0), first=at(11), last=at(12, 5))
KEY = slice_key(FOUND)
TIMES = st.builds(at, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
CIPHERS = st.sampled_from([None, Cipher(bytes(32), secrets.token_bytes)])


@given(TIMES, TIMES, TIMES, st.binary(max_size=200), CIPHERS)
def test_what_is_encoded_is_decoded(
    after: ClusterTime, first: ClusterTime, last: ClusterTime, entries: bytes, cipher: Cipher | None
) -> None:
    found = OplogSlice(instance_id=INSTANCE, after=after, first=first, last=last)
    blob = encode_slice(found, entries, cipher)

    assert decode_slice(slice_key(found), blob, cipher) == (found, entries)
    assert is_slice_key(slice_key(found))
    assert last_of_key(slice_key(found)) == last


@pytest.mark.parametrize("cipher", [None, Cipher(bytes(32), secrets.token_bytes)])
def test_every_bit_is_proven(cipher: Cipher | None) -> None:
    blob = encode_slice(FOUND, ENTRIES, cipher)
    for position in range(len(blob)):
        with pytest.raises(IntegrityError, match=KEY):
            decode_slice(KEY, flip(blob, position), cipher)
        with pytest.raises(IntegrityError, match=KEY):
            decode_slice(KEY, blob[:position], cipher)


def test_a_slice_is_bound_to_its_key() -> None:
    other = KEY.replace("0000000b", "0000000c")
    cipher = Cipher(bytes(32), secrets.token_bytes)

    with pytest.raises(IntegrityError, match="belongs under"):
        decode_slice(other, encode_slice(FOUND, ENTRIES))
    with pytest.raises(IntegrityError, match="cannot be decrypted"):
        decode_slice(other, encode_slice(FOUND, ENTRIES, cipher), cipher)
    with pytest.raises(IntegrityError, match="encrypted where"):
        decode_slice(KEY, encode_slice(FOUND, ENTRIES, cipher))


def test_a_later_version_is_told_from_damage() -> None:
    blob = encode_slice(FOUND, ENTRIES)
    head = b"TLMNOPLG" + (3).to_bytes(4, "little")
    later = head + blake3(head).update(blob[44:]).digest() + blob[44:]

    with pytest.raises(UnknownFormat, match="version 3"):
        decode_slice(KEY, later)


def test_the_page_tells_where_everything_is() -> None:
    """By the byte table of docs/repository-format.md alone."""
    blob = encode_slice(FOUND, ENTRIES)

    assert blob[:8] == b"TLMNOPLG"
    assert struct.unpack_from("<I", blob, 8) == (1,)
    assert blob[12:44] == blake3(blob[:12] + blob[44:]).digest()
    assert blob[44:56].hex() == INSTANCE
    assert struct.unpack_from("<6I", blob, 56) == (10, 0, 11, 1, 12, 5)
    assert zstandard.decompress(blob[80:]) == ENTRIES
    assert f"oplog/{INSTANCE}/0000000b00000001-0000000c00000005" == KEY


@pytest.mark.parametrize(
    "key", ["oplog/x", f"oplog/{INSTANCE}/0000000b00000001", KEY + "0", "snapshots/" + KEY]
)
def test_other_keys_are_none_of_slices(key: str) -> None:
    assert not is_slice_key(key)


@pytest.mark.parametrize("secret", [None, KEY_FILE])
def test_a_repository_keeps_slices(secret: RepositorySecret | None) -> None:
    store = MemoryBlobStore()
    repository = Repository.create(store, secrets.token_bytes, SMALL_CUT, secret)

    stored_bytes = repository.put_slice(FOUND, ENTRIES)
    assert repository.put_slice(FOUND, ENTRIES) == stored_bytes  # as after a crash
    with pytest.raises(IntegrityError, match="other contents"):
        repository.put_slice(FOUND, ENTRIES + ENTRIES)

    assert [(info.key, info.size_bytes) for info in repository.slices()] == [(KEY, stored_bytes)]
    assert repository.read_slice(KEY) == (FOUND, ENTRIES)
    repository.delete_slice(KEY)
    repository.delete_slice(KEY)
    assert not list(repository.slices())


def test_check_prune_and_stats_know_slices() -> None:
    repository = new_repository()
    take(repository, FIRST, {"orders": orders(30)})
    stored_bytes = repository.put_slice(FOUND, ENTRIES)

    report = _check(repository)
    assert (report.findings, report.notes, report.oplog_slices) == ((), (), 1)
    Prune(repository).execute()
    assert repository.read_slice(KEY) == (FOUND, ENTRIES)
    stats = read_stats(repository)
    assert (stats.oplog_slices, stats.oplog_bytes) == (1, stored_bytes)

    replace_blob(repository.store, KEY, flip(repository.store.get(KEY), 60))
    repository.store.put("oplog/else", b"")
    report = _check(repository)
    assert [(found.part, found.name) for found in report.findings] == [(Part.OPLOG, KEY)]
    assert report.notes == ("oplog/else is no part of a repository.",)
    assert not Check(repository, random.Random(1)).run().findings  # nobody asked to read


def _window(number: int, start: int, until: int) -> OplogWindow:
    return OplogWindow(
        instance_id=INSTANCE,
        number=number,
        start=at(start),
        stored_until=at(start),
        until=at(until),
        digest=counting_bytes(16),
        gap=None,
    )


@pytest.mark.parametrize(
    ("since", "until", "number"),
    [(10, 20, 1), (15, 15, 1), (10, 21, None), (9, 12, None), (31, 40, 2), (19, 32, None)],
)
def test_a_window_must_hold_both_moments(since: int, until: int, number: int | None) -> None:
    windows = [_window(1, 10, 20), _window(2, 30, 40)]
    found = covering(windows, at(since), at(until))

    assert (found and found.number) == number


def _check(repository: Repository) -> CheckReport:
    return Check(repository, random.Random(1)).run(read_data_percent=100)
