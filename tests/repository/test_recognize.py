"""Which chunks are expected, and known again."""

import pytest

from telamon.blobs.memory import MemoryBlobStore
from telamon.model.manifest import ChunkRef
from telamon.repository.codec import EncodedChunk, Encoding, name_chunk
from telamon.repository.index import Index
from telamon.repository.lineage import Lineage, chunk_start
from telamon.repository.pack import PackBuilder
from telamon.repository.recognize import Recognizer
from tests.repository.samples import document

KEY = bytes(32)
DOCUMENTS = [document(number) for number in range(20)]


def ref(raw: bytes) -> ChunkRef:
    return ChunkRef(
        chunk_id=name_chunk(raw, KEY), documents=1, size_bytes=len(raw), start=chunk_start(raw)
    )


def index_of(*raw: bytes) -> Index:
    index = Index(MemoryBlobStore())
    builder = PackBuilder()
    for chunk in raw:
        stored = EncodedChunk(encoding=Encoding.RAW, stored=chunk)
        builder.add(name_chunk(chunk, KEY), stored, len(chunk))
    pack = builder.finish(0)
    index.add_pack(pack.key, pack.index)
    return index


@pytest.fixture
def recognizer() -> Recognizer:
    """Of a snapshot that had each document in a chunk of its own."""
    return Recognizer(Lineage([ref(raw) for raw in DOCUMENTS]), index_of(*DOCUMENTS), KEY)


def changed(raw: bytes) -> bytes:
    return raw[:-2] + bytes([raw[-2] ^ 1, 0])


def test_a_chunk_is_known_by_its_first_document_and_its_bytes(recognizer: Recognizer) -> None:
    data = DOCUMENTS[3] + DOCUMENTS[4]
    found = recognizer.expect(data, len(DOCUMENTS[3]))

    assert found == ref(DOCUMENTS[4])
    assert recognizer.confirm(found, memoryview(DOCUMENTS[4]))


def test_other_bytes_are_another_chunk(recognizer: Recognizer) -> None:
    found = recognizer.expect(changed(DOCUMENTS[3]), 0)

    assert found == ref(DOCUMENTS[3])
    assert not recognizer.confirm(found, memoryview(changed(DOCUMENTS[3])))


def test_a_document_that_began_no_chunk_is_not_expected(recognizer: Recognizer) -> None:
    assert recognizer.expect(document(77), 0) is None


def test_after_a_change_four_chunks_are_not_asked_for(recognizer: Recognizer) -> None:
    recognizer.confirm(ref(DOCUMENTS[3]), memoryview(changed(DOCUMENTS[3])))

    expected = [bool(recognizer.expect(raw, 0)) for raw in DOCUMENTS[4:10]]

    assert expected == [False, False, False, False, True, True]


def test_a_chunk_that_is_stored_no_more_is_not_expected() -> None:
    """It is to be written again."""
    lineage = Lineage([ref(raw) for raw in DOCUMENTS])
    recognizer = Recognizer(lineage, index_of(*DOCUMENTS[:3]), KEY)

    assert [bool(recognizer.expect(raw, 0)) for raw in DOCUMENTS[:5]] == [True] * 3 + [False] * 2
