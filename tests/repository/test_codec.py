"""Names and encodings of chunks."""

import random

import pytest
import zstandard
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.codec import EncodedChunk, Encoding, decode, encode, name_chunk
from tests.repository.samples import KEY, flip

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
    assert {encoding.name: encoding.value for encoding in Encoding} == {"RAW": 0, "ZSTD": 1}


@pytest.mark.parametrize("encoding", [2, 3, 128, 255])
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
    assert repr(encode(NOISE)) == "EncodedChunk(encoding=<Encoding.RAW: 0>)"
