"""Hashes of documents on their way out, compared with the chunks that they should be."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from telamon.errors import IntegrityError
from telamon.model.manifest import ChunkRef
from telamon.repository.codec import name_chunk
from telamon.repository.content import ChunkedContentHash, ContentHash

KEY = bytes(range(32))
CHUNKS = (b"first chunk", b"2", b"the third and last chunk")
WHOLE = b"".join(CHUNKS)


def refs(chunks: Sequence[bytes]) -> list[ChunkRef]:
    return [
        ChunkRef(chunk_id=name_chunk(raw, KEY), documents=1, size_bytes=len(raw)) for raw in chunks
    ]


def hash_of(chunks: Sequence[bytes], pieces: Sequence[bytes], *, skipped: int = 0) -> str:
    found = ChunkedContentHash(refs(chunks), KEY, skipped=skipped)
    for piece in pieces:
        found.update(piece)
    return found.finish()


@given(
    st.lists(st.binary(min_size=1, max_size=20), max_size=8),
    st.lists(st.integers(min_value=0, max_value=200), max_size=8),
)
def test_it_does_not_matter_where_pieces_are_cut(chunks: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(chunks)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(places)]

    ids = b"".join(ref.chunk_id for ref in refs(chunks))
    assert hash_of(chunks, pieces) == hash_of(chunks, chunks) == blake3(ids, key=KEY).hexdigest()


@pytest.mark.parametrize("skipped", range(4))
def test_the_hash_is_the_same_if_the_first_chunks_are_left_out(skipped: int) -> None:
    assert hash_of(CHUNKS, CHUNKS[skipped:], skipped=skipped) == hash_of(CHUNKS, [WHOLE])


@given(st.integers(min_value=0, max_value=len(WHOLE) - 1))
def test_a_changed_byte_names_its_chunk(place: int) -> None:
    changed = bytearray(WHOLE)
    changed[place] ^= 1
    number = 0 if place < len(CHUNKS[0]) else 1 if place == len(CHUNKS[0]) else 2

    with pytest.raises(IntegrityError) as caught:
        hash_of(CHUNKS, [bytes(changed)])

    assert caught.value.message.startswith(f"Chunk {refs(CHUNKS)[number].chunk_id.hex()} came as ")


@given(st.integers(min_value=0, max_value=len(WHOLE) - 1))
def test_what_ends_too_early_is_missed(end: int) -> None:
    with pytest.raises(IntegrityError, match="has not come whole"):
        hash_of(CHUNKS, [WHOLE[:end]])


def test_what_is_too_much_is_noticed() -> None:
    with pytest.raises(IntegrityError, match="There are 3 bytes more"):
        hash_of(CHUNKS, [WHOLE, b"and"])


def test_without_a_manifest_the_hash_is_that_of_all_bytes_under_the_key() -> None:
    found = ContentHash(KEY)
    for piece in CHUNKS:
        found.update(piece)

    assert found.finish() == blake3(WHOLE, key=KEY).hexdigest()
