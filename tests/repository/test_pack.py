"""The bytes of a pack."""

import struct

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository import pack as pack_module
from telamon.repository.codec import EncodedChunk, Encoding
from telamon.repository.pack import (
    FOOTER_BYTES,
    RECORD_BYTES,
    FinishedPack,
    PackBuilder,
    PackIndex,
    PackRecord,
    check_whole_pack,
    is_pack_key,
    iterate_chunk_ids,
    iterate_records,
    parse_footer,
    parse_index,
    read_record,
)
from tests.repository.samples import flip

HEADER_BYTES = 16
FIRST_ID = b"\x11" * 32
SECOND_ID = b"\x22" * 32


def build(*stored: bytes, salt: int = 0) -> FinishedPack:
    builder = PackBuilder()
    for number, data in enumerate(stored, start=1):
        chunk = EncodedChunk(encoding=Encoding.ZSTD, stored=data)
        builder.add(bytes([number * 0x11]) * 32, chunk, len(data) * 2)
    return builder.finish(salt)


def read_index(key: str, data: bytes) -> list[PackRecord]:
    """As from a stored pack, in two ranges."""
    footer = parse_footer(key, data[-FOOTER_BYTES:], len(data))
    index = data[footer.index_offset :][: footer.index_bytes]
    return list(iterate_records(parse_index(key, index, footer)))


def sealed(index: bytes, *, offset: int, version: int = 2, records: int | None = None) -> bytes:
    """A pack of zeros up to its index, whose hash is right whatever the index says."""
    facts = struct.pack("<III", offset, len(index) // 48 if records is None else records, version)
    digest = blake3(index + facts).digest()
    return bytes(offset) + index + facts + digest + b"TLMNPEND"


def record(chunk_id: bytes, offset: int, stored_bytes: int, encoding: int = 0) -> bytes:
    return struct.pack("<32sIIIB3x", chunk_id, offset, stored_bytes, 1, encoding)


def base(number: int, chunk_id: bytes) -> bytes:
    return struct.pack("<I32s", number, chunk_id)


def test_the_bytes_of_a_pack_are_those_of_the_format() -> None:
    pack = build(b"hello", b"world!", salt=3)
    chunks = b"TLMNPACK" + bytes.fromhex("02000000 03000000") + b"helloworld!"
    index = (
        FIRST_ID
        + bytes.fromhex("10000000 05000000 0a000000 01 000000")
        + SECOND_ID
        + bytes.fromhex("15000000 06000000 0c000000 01 000000")
    )
    facts = bytes.fromhex("1b000000 02000000 02000000")
    footer = facts + blake3(index + facts).digest() + b"TLMNPEND"
    assert bytes(pack.data) == chunks + index + footer
    assert pack.index == PackIndex(records=index, bases={})


def test_a_pack_is_named_by_the_hash_of_all_its_bytes() -> None:
    pack = build(b"hello")
    name = blake3(pack.data).hexdigest()
    assert pack.key == f"packs/{name[:2]}/{name}"


def test_an_index_is_read_from_the_end_of_a_pack() -> None:
    pack = build(b"hello", b"world!")
    assert read_index(pack.key, bytes(pack.data)) == [
        PackRecord(chunk_id=FIRST_ID, offset=16, stored_bytes=5, raw_bytes=10, encoding=1),
        PackRecord(chunk_id=SECOND_ID, offset=21, stored_bytes=6, raw_bytes=12, encoding=1),
    ]


def test_a_delta_is_read_with_its_bases() -> None:
    builder = PackBuilder()
    builder.add(FIRST_ID, EncodedChunk(encoding=Encoding.RAW, stored=b"hello"), 5)
    delta = EncodedChunk(encoding=Encoding.DELTA, stored=b"d", base_ids=(FIRST_ID, b"\x33" * 32))
    builder.add(SECOND_ID, delta, 9)
    pack = builder.finish(0)
    data = bytes(pack.data)
    assert data[-52 - 72 : -52] == base(1, FIRST_ID) + base(1, b"\x33" * 32)
    first, second = read_index(pack.key, data)
    assert (first.base_ids, second.base_ids) == ((), (FIRST_ID, b"\x33" * 32))
    assert read_record(pack.index, 1) == second
    assert check_whole_pack(pack.key, data) == pack.index
    assert list(iterate_chunk_ids(pack.index)) == [FIRST_ID, SECOND_ID]


def test_a_pack_of_the_first_version_is_read() -> None:
    """It knows no deltas, and is the same otherwise."""
    data = sealed(record(FIRST_ID, 16, 10), offset=26, version=1)
    assert [found.chunk_id for found in read_index("packs/x", data)] == [FIRST_ID]


def test_a_record_is_found_by_its_number() -> None:
    pack = build(b"hello", b"world!")
    assert read_record(pack.index, 1) == PackRecord(
        chunk_id=SECOND_ID, offset=21, stored_bytes=6, raw_bytes=12, encoding=1
    )


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=10))
def test_what_was_packed_is_found_where_the_index_says(stored: list[bytes]) -> None:
    pack = build(*stored)
    data = bytes(pack.data)
    check_whole_pack(pack.key, data)
    found = [data[r.offset : r.offset + r.stored_bytes] for r in read_index(pack.key, data)]
    assert found == stored


def test_another_salt_gives_the_same_chunks_another_name() -> None:
    builder = PackBuilder()
    builder.add(FIRST_ID, EncodedChunk(encoding=Encoding.RAW, stored=b"hello"), 5)
    first = builder.finish(0)
    first_key, first_data = first.key, bytes(first.data)
    second = builder.finish(1)
    assert first_key != second.key
    assert first_data[HEADER_BYTES:] == bytes(second.data)[HEADER_BYTES:]
    check_whole_pack(second.key, bytes(second.data))


def test_a_pack_is_full_at_32_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pack_module.PACK_TARGET_BYTES == 33554432
    monkeypatch.setattr(pack_module, "PACK_TARGET_BYTES", 20)
    builder = PackBuilder()
    fullness = []
    for _ in range(3):
        builder.add(FIRST_ID, EncodedChunk(encoding=Encoding.RAW, stored=b"ab"), 2)
        fullness.append(builder.is_full)
    assert fullness == [False, True, True]


def test_a_new_builder_is_empty() -> None:
    builder = PackBuilder()
    assert builder.is_empty is True
    builder.add(FIRST_ID, EncodedChunk(encoding=Encoding.RAW, stored=b"ab"), 2)
    assert builder.is_empty is False


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("packs/ab/" + "ab" * 32, True),
        ("packs/ab/" + "AB" * 32, False),
        ("packs/ab/" + "ab" * 31, False),
        ("packs/" + "ab" * 32, False),
        ("snapshots/ab/" + "ab" * 32, False),
        ("packs/ab/" + "ab" * 32 + "\n", False),
    ],
)
def test_keys_of_packs_have_one_shape(key: str, expected: bool) -> None:
    assert is_pack_key(key) is expected


# Damage


def test_every_flipped_bit_of_a_pack_is_found_and_named() -> None:
    pack = build(b"hello", b"world!")
    for position in range(len(pack.data)):
        for bit in range(8):
            with pytest.raises(IntegrityError) as caught:
                check_whole_pack(pack.key, flip(bytes(pack.data), position, bit))
            assert caught.value.message == (
                f"Pack {pack.key} is damaged: its bytes have another name."
            )


def test_every_flipped_bit_of_an_index_or_footer_is_found_without_the_rest() -> None:
    pack = build(b"hello", b"world!")
    for position in range(1, 2 * RECORD_BYTES + FOOTER_BYTES + 1):
        for bit in range(8):
            with pytest.raises(IntegrityError, match=f"Pack {pack.key} is damaged"):
                read_index(pack.key, flip(bytes(pack.data), -position, bit))


def test_every_truncation_is_found() -> None:
    pack = build(b"hello", b"world!")
    for length in range(len(pack.data)):
        with pytest.raises(IntegrityError, match=f"Pack {pack.key} is damaged"):
            read_index(pack.key, bytes(pack.data[:length]))
        with pytest.raises(IntegrityError, match=f"Pack {pack.key} is damaged"):
            check_whole_pack(pack.key, bytes(pack.data[:length]))


def test_bytes_in_front_are_found() -> None:
    pack = build(b"hello")
    with pytest.raises(IntegrityError, match="its index has another hash"):
        read_index(pack.key, b"\0" + bytes(pack.data))


@pytest.mark.parametrize(
    ("index", "harm"),
    [
        (record(FIRST_ID, 17, 9), "its chunks do not stand one after the other"),
        (record(FIRST_ID, 16, 9), "its chunks do not end where its index begins"),
        (record(FIRST_ID, 16, 11), "its chunks do not end where its index begins"),
        (record(FIRST_ID, 16, 5) + record(FIRST_ID, 16, 5), "its chunks do not stand one after"),
        (b"", "its chunks do not end where its index begins"),
    ],
)
def test_an_index_of_chunks_elsewhere_is_refused(index: bytes, harm: str) -> None:
    with pytest.raises(IntegrityError, match=harm):
        read_index("packs/x", sealed(index, offset=26))


DELTA = record(FIRST_ID, 16, 10, encoding=2)
HARM = "its deltas and its bases are not the same"


@pytest.mark.parametrize(
    ("index", "harm"),
    [
        (DELTA, HARM),
        (DELTA + base(1, FIRST_ID), HARM),
        (record(FIRST_ID, 16, 10) + base(0, FIRST_ID), HARM),
        (DELTA + base(0, FIRST_ID) * 5, HARM),
        (DELTA + base(0, FIRST_ID)[:-1], "its footer does not fit its length"),
        (DELTA[:-1], "its footer does not fit its length"),
    ],
)
def test_deltas_and_bases_that_do_not_fit_are_refused(index: bytes, harm: str) -> None:
    with pytest.raises(IntegrityError, match=harm):
        read_index("packs/x", sealed(index, offset=26, records=1))


def test_a_later_version_is_told_from_damage() -> None:
    data = sealed(record(FIRST_ID, 16, 10), offset=26, version=3)
    with pytest.raises(UnknownFormat) as caught:
        read_index("packs/x", data)
    assert caught.value.message == (
        "Pack packs/x has format version 3, which this version does not know."
    )


def test_a_whole_pack_has_its_header() -> None:
    """Only who made the pack can have left it out, since its name is right."""
    data = sealed(record(FIRST_ID, 16, 10), offset=26)
    name = blake3(data).hexdigest()
    with pytest.raises(IntegrityError, match="it does not begin as packs do"):
        check_whole_pack(f"packs/{name[:2]}/{name}", data)
