"""Names and encodings of chunks."""

import random

import pytest
import zstandard
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.cipher import SEAL_BYTES, Cipher
from telamon.repository.codec import (
    ENCRYPTED,
    EncodedChunk,
    Encoding,
    decode,
    encode,
    encode_all,
    encode_delta,
    encrypt,
    is_delta,
    name_chunk,
)
from tests.repository.samples import KEY, flip, orders

TEXT = b"All that is gold does not glitter. " * 30
NOISE = random.Random(1).randbytes(5000)


def decode_chunk(chunk: EncodedChunk, raw: bytes) -> bytes:
    return decode(
        chunk.stored,
        encoding=chunk.encoding,
        chunk_id=name_chunk(raw, KEY),
        raw_bytes=len(raw),
        key=KEY,
    )


def test_a_chunk_is_named_by_keyed_blake3() -> None:
    assert name_chunk(b"hello", KEY) == blake3(b"hello", key=KEY).digest()
    assert name_chunk(b"hello", KEY).hex() == (
        "23278c18c8c9fe0fbfadfb940af5f08d3fd1802bf919dd6d77ebd211a19fbe29"
    )


def test_another_key_gives_other_names() -> None:
    assert name_chunk(b"hello", KEY) != name_chunk(b"hello", bytes(32))


def test_text_is_compressed() -> None:
    chunk = encode(TEXT)
    assert chunk.encoding == Encoding.ZSTD
    assert len(chunk.stored) < 100
    assert zstandard.decompress(chunk.stored) == TEXT


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_several_are_encoded_as_each_of_them(count: int) -> None:
    raws = [TEXT, NOISE, b"\5\0\0\0\0", TEXT + NOISE, *(TEXT * number for number in range(1, 6))]

    assert encode_all(raws[:count]) == [encode(raw) for raw in raws[:count]]


def test_noise_is_stored_as_it_is() -> None:
    assert encode(NOISE) == EncodedChunk(encoding=Encoding.RAW, stored=NOISE)


def test_a_saving_of_two_percent_is_not_worth_a_decompression() -> None:
    """A hundred equal bytes in five thousand save less than a fortieth, four hundred more."""
    assert encode(NOISE[:4900] + bytes(100)).encoding == Encoding.RAW
    assert encode(NOISE[:4600] + bytes(400)).encoding == Encoding.ZSTD


@given(st.binary(max_size=2000))
def test_what_was_encoded_is_decoded(raw: bytes) -> None:
    assert decode_chunk(encode(raw), raw) == raw


def test_the_numbers_of_the_encodings_are_fixed() -> None:
    assert {encoding.name: encoding.value for encoding in Encoding} == {
        "RAW": 0,
        "ZSTD": 1,
        "DELTA": 2,
    }
    assert ENCRYPTED == 128


@pytest.mark.parametrize("encoding", [3, 64, 127])
def test_a_reserved_encoding_is_of_a_later_program(encoding: int) -> None:
    name = name_chunk(TEXT, KEY)
    with pytest.raises(UnknownFormat) as caught:
        decode(TEXT, encoding=encoding, chunk_id=name, raw_bytes=len(TEXT), key=KEY)
    assert caught.value.message == (
        f"Chunk {name.hex()} has encoding {encoding}, which this version does not know."
    )


@pytest.mark.parametrize("raw", [TEXT, NOISE], ids=["text", "noise"])
def test_every_flipped_bit_is_found_and_named(raw: bytes) -> None:
    chunk = encode(raw)
    for position in range(0, len(chunk.stored), 37):
        for bit in range(8):
            harmed = EncodedChunk(encoding=chunk.encoding, stored=flip(chunk.stored, position, bit))
            with pytest.raises(IntegrityError, match=name_chunk(raw, KEY).hex()):
                decode_chunk(harmed, raw)


@pytest.mark.parametrize("raw", [TEXT, NOISE], ids=["text", "noise"])
def test_bytes_missing_or_to_spare_are_found(raw: bytes) -> None:
    chunk = encode(raw)
    for stored in (b"", chunk.stored[:-1], chunk.stored[1:], chunk.stored + b"\0"):
        with pytest.raises(IntegrityError, match="is damaged"):
            decode_chunk(EncodedChunk(encoding=chunk.encoding, stored=stored), raw)


def test_no_more_memory_is_taken_than_the_index_allows() -> None:
    """The frame of a gigabyte is short; its size is asked before it is decompressed."""
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 20))
    with pytest.raises(IntegrityError, match="its frame is of another length"):
        decode(bomb, encoding=1, chunk_id=bytes(32), raw_bytes=1000, key=KEY)


def test_the_wrong_encoding_is_found() -> None:
    chunk = encode(TEXT)
    with pytest.raises(IntegrityError, match="its bytes have another name"):
        decode_chunk(EncodedChunk(encoding=Encoding.RAW, stored=chunk.stored), TEXT)


def test_a_chunk_in_another_repository_has_another_name() -> None:
    with pytest.raises(IntegrityError, match="its bytes have another name"):
        decode(TEXT, encoding=0, chunk_id=name_chunk(TEXT, KEY), raw_bytes=len(TEXT), key=bytes(32))


def test_the_bytes_of_a_chunk_are_in_no_repr() -> None:
    assert repr(encode(NOISE)) == "EncodedChunk(encoding=<Encoding.RAW: 0>, base_ids=())"


# Deltas

OLD = b"".join(orders(20))
NEW = b"".join([*orders(9), *orders(10, start=10), *orders(1, start=500)])
BASE_ID = name_chunk(OLD, KEY)


def decode_delta(chunk: EncodedChunk, raw: bytes, *bases: bytes) -> bytes:
    return decode(
        chunk.stored,
        encoding=chunk.encoding,
        chunk_id=name_chunk(raw, KEY),
        raw_bytes=len(raw),
        key=KEY,
        bases=bases,
    )


def new_delta() -> EncodedChunk:
    chunk = encode_delta(NEW, (BASE_ID,), [OLD])
    assert chunk is not None
    return chunk


def test_a_delta_names_its_bases_and_is_short() -> None:
    chunk = new_delta()
    assert (chunk.encoding, chunk.base_ids) == (Encoding.DELTA, (BASE_ID,))
    assert len(chunk.stored) < len(encode(NEW).stored) / 2
    assert decode_delta(chunk, NEW, OLD) == NEW


def test_a_delta_may_have_several_bases() -> None:
    halves = [b"".join(orders(10)), b"".join(orders(10, start=10))]
    ids = tuple(name_chunk(half, KEY) for half in halves)
    chunk = encode_delta(NEW, ids, halves)
    assert chunk is not None
    assert chunk.base_ids == ids
    assert decode_delta(chunk, NEW, *halves) == NEW


def test_what_has_little_in_common_is_no_delta() -> None:
    assert encode_delta(NEW, (BASE_ID,), [b"".join(orders(20, start=900))]) is None


def test_a_delta_from_another_base_is_found() -> None:
    with pytest.raises(IntegrityError, match=f"Chunk {name_chunk(NEW, KEY).hex()} is damaged"):
        decode_delta(new_delta(), NEW, b"".join(orders(20, start=900)))


def test_every_flipped_bit_of_a_delta_is_found_and_named() -> None:
    chunk = new_delta()
    for position in range(len(chunk.stored)):
        for bit in range(8):
            harmed = flip(chunk.stored, position, bit)
            try:
                raw = decode_delta(EncodedChunk(encoding=Encoding.DELTA, stored=harmed), NEW, OLD)
            except IntegrityError as error:
                assert name_chunk(NEW, KEY).hex() in error.message  # noqa: PT017
            else:
                assert raw == NEW  # zstd has bits that mean nothing


# Encryption


def counting(length: int) -> bytes:
    return bytes(range(length))


CIPHER = Cipher(bytes(32), counting)
OTHER_CIPHER = Cipher(bytes(31) + b"1", counting)


def decode_encrypted(stored: bytes, encoding: int, cipher: Cipher | None) -> bytes:
    return decode(
        stored,
        encoding=encoding,
        chunk_id=name_chunk(TEXT, KEY),
        raw_bytes=len(TEXT),
        key=KEY,
        cipher=cipher,
    )


def test_an_encrypted_chunk_is_its_encoding_sealed() -> None:
    plain = encode(TEXT)
    chunk = encrypt(plain, name_chunk(TEXT, KEY), CIPHER)
    assert chunk.encoding == 129
    assert len(chunk.stored) == len(plain.stored) + SEAL_BYTES
    assert plain.stored not in chunk.stored
    assert decode_encrypted(chunk.stored, chunk.encoding, CIPHER) == TEXT


@pytest.mark.parametrize("cipher", [None, OTHER_CIPHER], ids=["no key", "another key"])
def test_without_the_key_nothing_is_read(cipher: Cipher | None) -> None:
    chunk = encrypt(encode(TEXT), name_chunk(TEXT, KEY), CIPHER)
    with pytest.raises(
        IntegrityError, match=f"{name_chunk(TEXT, KEY).hex()} is damaged: it .* encr|decr"
    ):
        decode_encrypted(chunk.stored, chunk.encoding, cipher)


def test_a_sealed_chunk_opens_under_its_own_name_only() -> None:
    chunk = encrypt(encode(TEXT), name_chunk(NOISE, KEY), CIPHER)
    with pytest.raises(IntegrityError, match="it cannot be decrypted"):
        decode_encrypted(chunk.stored, chunk.encoding, CIPHER)


def test_every_flipped_bit_of_a_sealed_chunk_is_found() -> None:
    chunk = encrypt(encode(TEXT), name_chunk(TEXT, KEY), CIPHER)
    for position in range(len(chunk.stored)):
        with pytest.raises(IntegrityError, match="it cannot be decrypted"):
            decode_encrypted(flip(chunk.stored, position), chunk.encoding, CIPHER)


@pytest.mark.parametrize(
    ("encoding", "expected"), [(0, False), (1, False), (2, True), (129, False), (130, True)]
)
def test_a_delta_is_told_by_its_encoding(encoding: int, expected: bool) -> None:
    assert is_delta(encoding) is expected
