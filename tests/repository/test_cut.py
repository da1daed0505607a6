"""The cut rule."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from telamon.errors import IntegrityError
from telamon.model.manifest import ChunkRef
from telamon.repository.codec import name_chunk
from telamon.repository.cut import USUAL_CUT, CutChunk, CutParameters, Cutter, EarlierChunks
from telamon.repository.deciding import deciding_bytes
from telamon.repository.lineage import chunk_start
from tests.repository.samples import SMALL_CUT, document, orders

KEY = bytes(32)
OBJECT_ID_TYPE = 7
OBJECT_ID = bson.ObjectId("65f0000000000000000000a1")


def cut(documents: Sequence[bytes], parameters: CutParameters = SMALL_CUT) -> list[CutChunk]:
    return cut_buffers([b"".join(documents)], parameters)


def cut_buffers(
    buffers: Sequence[bytes | memoryview], parameters: CutParameters = SMALL_CUT
) -> list[CutChunk]:
    chunks = cut_again(buffers, None, parameters)
    return [chunk for chunk in chunks if isinstance(chunk, CutChunk)]


def cut_again(
    buffers: Sequence[bytes | memoryview],
    earlier: EarlierChunks | None,
    parameters: CutParameters = SMALL_CUT,
) -> list[CutChunk | ChunkRef]:
    cutter = Cutter(parameters, earlier)
    chunks = [chunk for buffer in buffers for chunk in cutter.feed(buffer)]
    last = cutter.finish()
    return chunks if last is None else [*chunks, last]


def ref(chunk: CutChunk | ChunkRef) -> ChunkRef:
    """What a manifest says of the chunk."""
    if isinstance(chunk, ChunkRef):
        return chunk
    return ChunkRef(
        chunk_id=name_chunk(chunk.data, KEY),
        documents=chunk.documents,
        size_bytes=len(chunk.data),
        start=chunk_start(chunk.data),
    )


class Earlier:
    """What was cut before, by where it began."""

    def __init__(self, chunks: Sequence[CutChunk]) -> None:
        self._known = {chunk_start(chunk.data): ref(chunk) for chunk in chunks}

    def expect(self, data: bytes, start: int) -> ChunkRef | None:
        return self._known.get(chunk_start(data, start))

    def confirm(self, chunk: ChunkRef, piece: memoryview) -> bool:
        return name_chunk(piece, KEY) == chunk.chunk_id


def raw_document(number: int, length: int) -> bytes:
    """A document of exactly ``length`` bytes, at least 30: its ``_id`` and a binary.

    Every fifth ``_id`` is an int64, the others are ObjectIds.
    """
    if number % 5:
        head = b"\x07_id\0" + struct.pack("<qi", number, 0) + b"\x05b\0"
    else:
        head = b"\x12_id\0" + struct.pack("<q", number) + b"\x05b\0"
    filler = bytes(length - 4 - len(head) - 5 - 1)
    body = head + struct.pack("<iB", len(filler), 0) + filler + b"\0"
    return struct.pack("<i", length) + body


def naive_cut(documents: Sequence[bytes], parameters: CutParameters) -> list[list[bytes]]:
    """The rule of docs/repository-format.md, read literally."""
    chunks: list[list[bytes]] = []
    for doc in documents:
        if chunks and not _begins_chunk(doc, chunks[-1], parameters):
            chunks[-1].append(doc)
        else:
            chunks.append([doc])
    return chunks


def _begins_chunk(doc: bytes, chunk: list[bytes], parameters: CutParameters) -> bool:
    is_large = len(chunk[0]) > parameters.large_document_bytes
    target = parameters.large_target_bytes if is_large else parameters.target_bytes
    size = sum(map(len, chunk))
    if size + len(doc) > 4 * target:
        return True
    if size < target // 2:
        return False
    weight = 3 << len(doc).bit_length()
    deciding = doc[4:21] if doc[4] == OBJECT_ID_TYPE else doc[4:17]
    return xxh3_64_intdigest(deciding) < weight * (1 << 64) // (4 * (target - target // 2))


lengths = st.one_of(
    st.integers(30, 200), st.integers(30, 5000), st.sampled_from([512, 513, 4096, 20000])
)


# Framing


def test_no_documents_are_no_chunks() -> None:
    assert cut_buffers([b"", b""]) == []


def test_few_documents_are_one_chunk() -> None:
    assert cut(orders(3)) == [CutChunk(data=b"".join(orders(3)), documents=3)]


def test_the_cuts_of_these_documents_are_known() -> None:
    """Other cuts would find nothing equal in the repositories there are."""
    assert [chunk.documents for chunk in cut(orders(60))] == [6, 13, 9, 8, 11, 12, 1]


@given(st.lists(lengths, max_size=80))
def test_the_cuts_are_those_of_the_rule_as_it_is_written(sizes: list[int]) -> None:
    docs = [raw_document(number, size) for number, size in enumerate(sizes)]
    expected = [CutChunk(data=b"".join(c), documents=len(c)) for c in naive_cut(docs, SMALL_CUT)]
    assert cut(docs) == expected


@given(st.lists(lengths, max_size=60), st.data())
def test_buffers_move_no_cut(sizes: list[int], data: st.DataObject) -> None:
    docs = [raw_document(number, size) for number, size in enumerate(sizes)]
    buffers: list[bytes | memoryview] = []
    rest = docs
    while rest:
        taken = data.draw(st.integers(0, len(rest)))
        buffer = b"".join(rest[:taken])
        buffers.append(memoryview(buffer) if data.draw(st.booleans()) else buffer)
        rest = rest[max(taken, 1) :] if taken else rest
        if not taken:
            buffers[-1], rest = rest[0], rest[1:]
    assert cut_buffers(buffers) == cut(docs)


def test_a_buffer_may_be_used_again_once_it_was_fed() -> None:
    cutter = Cutter(SMALL_CUT)
    buffer = bytearray(document(1))
    assert cutter.feed(memoryview(buffer)) == []
    buffer[:] = bytes(len(buffer))
    assert cutter.finish() == CutChunk(data=document(1), documents=1)


def test_a_stream_can_end_in_a_cut_only_once() -> None:
    cutter = Cutter(SMALL_CUT)
    cutter.feed(document(1))
    assert cutter.finish() is not None
    assert cutter.finish() is None


@given(st.lists(lengths, max_size=80))
def test_every_chunk_keeps_to_the_limits(sizes: list[int]) -> None:
    docs = [raw_document(number, size) for number, size in enumerate(sizes)]
    for chunk in cut(docs):
        is_large = struct.unpack_from("<i", chunk.data)[0] > 512
        maximum = 16384 if is_large else 4096
        assert len(chunk.data) <= maximum or chunk.documents == 1


def test_a_document_beyond_the_maximum_is_a_chunk_of_its_own() -> None:
    docs = [raw_document(1, 100), raw_document(2, 20000), raw_document(3, 100)]
    assert [chunk.data for chunk in cut(docs)] == docs


def test_large_documents_make_large_chunks() -> None:
    small = cut([raw_document(number, 100) for number in range(2000)])
    large = cut([raw_document(number, 600) for number in range(2000)])
    assert 800 < 200_000 / len(small) < 1250
    assert 3200 < 1_200_000 / len(large) < 5000


@pytest.mark.parametrize("length", [40, 63, 64, 150, 255, 256, 400])
def test_the_mean_chunk_is_near_the_target_whatever_the_documents_length(length: int) -> None:
    parameters = CutParameters(
        target_bytes=16384, large_target_bytes=65536, large_document_bytes=1024
    )
    chunks = cut(
        [raw_document(number, length) for number in range(2_000_000 // length)], parameters
    )
    assert 12_000 < 2_000_000 / len(chunks) < 21_000


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        (b"\x04\0\0\0", "A document gives its length as 4 bytes."),
        (b"\0\0\0\0\0", "A document gives its length as 0 bytes."),
        (b"\xff\xff\xff\xff\0", "A document gives its length as -1 bytes."),
        (b"\x05\0\0\0\x01", "A document of 5 bytes does not end in a zero byte."),
        (b"\x06\0\0\0\0", "A document ends beyond the bytes that were read."),
        (b"\x05\0\0\0", "A document ends beyond the bytes that were read."),
        (b"\x05", "A document ends beyond the bytes that were read."),
    ],
)
@pytest.mark.parametrize("before", [0, 7])
def test_bytes_that_are_no_documents_are_refused(before: int, buffer: bytes, message: str) -> None:
    """At the start of a chunk, and where it may end already."""
    good = b"".join(raw_document(number, 100) for number in range(before))
    for kind in (bytes, memoryview):
        with pytest.raises(IntegrityError) as caught:
            Cutter(SMALL_CUT).feed(kind(good + buffer))
        assert caught.value.message == message


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1024, 1, 1024), (1024, 1024, -1), (1 << 28, 2, 2)])
def test_parameters_that_cut_nothing_are_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="No chunks can be cut"):
        CutParameters(
            target_bytes=numbers[0], large_target_bytes=numbers[1], large_document_bytes=numbers[2]
        )


def test_the_usual_parameters_are_those_of_the_format() -> None:
    assert (
        CutParameters(target_bytes=262144, large_target_bytes=1048576, large_document_bytes=16384)
        == USUAL_CUT
    )


# Re-synchronisation

seeds = st.integers(0, 1 << 32)


def stream(seed: int, count: int) -> list[bytes]:
    return [
        raw_document((seed << 16) + number, 40 + (seed * 31 + number * 7919) % 160)
        for number in range(count)
    ]


def ends_of_cuts(docs: Sequence[bytes]) -> set[int]:
    """Cuts as bytes before the end of the stream, so that a change in front moves none."""
    position = sum(map(len, docs))
    ends = set()
    for chunk in cut(docs):
        ends.add(position)
        position -= len(chunk.data)
    return ends


@given(seeds, st.integers(0, 60), st.integers(0, 60))
def test_after_a_cut_in_common_all_cuts_are_in_common(seed: int, first: int, second: int) -> None:
    tail = stream(seed, 150)
    one = ends_of_cuts(stream(seed + 1, first) + tail)
    other = ends_of_cuts(stream(seed + 2, second) + tail)
    common = [end for end in one & other if end <= sum(map(len, tail))]
    assert common
    latest = max(common)
    assert {end for end in one if end <= latest} == {end for end in other if end <= latest}


@settings(max_examples=40)
@given(seeds, st.integers(0, 999), st.sampled_from(["insert", "delete", "change"]))
def test_a_change_of_one_document_leaves_all_but_a_few_chunks(
    seed: int, position: int, change: str
) -> None:
    before = stream(seed, 1000)
    new = {
        "insert": [raw_document(1, 100), before[position]],
        "delete": [],
        "change": [before[position][:-2] + b"\x01\0"],
    }[change]
    after = [*before[:position], *new, *before[position + 1 :]]

    old_chunks = {chunk.data for chunk in cut(before)}
    new_chunks = [chunk.data for chunk in cut(after) if chunk.data not in old_chunks]

    assert len(old_chunks) > 60
    assert len(new_chunks) <= 12
    assert change != "change" or len(new_chunks) == 1


# Chunks that come again


def in_buffers(docs: Sequence[bytes], each: int) -> list[bytes | memoryview]:
    return [b"".join(docs[start : start + each]) for start in range(0, len(docs), each)]


@given(
    seed=seeds,
    count=st.integers(1, 300),
    each=st.integers(1, 300),
    change=st.sampled_from(["nothing", "insert", "delete", "change", "append", "cut short"]),
    data=st.data(),
)
def test_earlier_chunks_move_no_cut(
    seed: int, count: int, each: int, change: str, data: st.DataObject
) -> None:
    before = stream(seed, count)
    position = data.draw(st.integers(0, count - 1))
    after = {
        "nothing": before,
        "insert": [*before[:position], raw_document(1, 100), *before[position:]],
        "delete": [*before[:position], *before[position + 1 :]],
        "change": [*before[:position], before[position][:-2] + b"\1\0", *before[position + 1 :]],
        "append": [*before, *stream(seed + 1, 50)],
        "cut short": before[:position],
    }[change]

    found = cut_again(in_buffers(after, each), Earlier(cut(before)))

    assert [ref(chunk) for chunk in found] == [ref(chunk) for chunk in cut(after)]


def test_all_that_has_not_changed_is_known_again_but_for_what_lies_in_two_buffers() -> None:
    docs = [raw_document(number, 100) for number in range(1000)]
    chunks = cut(docs)

    found = cut_again(in_buffers(docs, 500), Earlier(chunks))

    new = [chunk for chunk in found if isinstance(chunk, CutChunk)]
    assert len(chunks) > 60
    assert len(new) <= 2
    assert new[-1] == chunks[-1]  # nothing follows it that tells whether it ends


def test_a_chunk_of_one_large_document_is_known_again() -> None:
    docs = [raw_document(number, 20_000) for number in range(3)]

    found = cut_again([b"".join(docs)], Earlier(cut(docs)))

    assert [isinstance(chunk, ChunkRef) for chunk in found] == [True, True, False]


@pytest.mark.parametrize("rest", [b"", b"\5", b"\4\0\0\0\0", b"\xff\xff\xff\xff\0", b"\6\0\0\0\0"])
def test_what_follows_an_earlier_chunk_may_be_anything(rest: bytes) -> None:
    docs = [raw_document(number, 100) for number in range(100)]
    first = cut(docs)[0]
    earlier = Earlier([first])
    stream_of_both = docs[0][:-2] + b"\1\0" + first.data[len(docs[0]) :] + rest

    def outcome(earlier: Earlier | None) -> object:
        try:
            return [ref(chunk) for chunk in cut_again([stream_of_both], earlier)]
        except IntegrityError as error:
            return error.message

    assert outcome(earlier) == outcome(None)


# The _id element

IDS = [
    1.5,
    "text",
    "",
    "t" * 300,
    {"a": 1, "b": {"c": [1, 2]}},
    {},
    b"binary",
    bson.Binary(b"old binary", 2),
    bson.Binary(bytes(16), 4),
    OBJECT_ID,
    True,
    datetime(2026, 1, 1, tzinfo=UTC),
    None,
    bson.Regex("^a.*", "im"),
    bson.Regex("", ""),
    bson.DBRef("collection", 1),
    bson.Code("function() {}"),
    bson.Code("function() {}", {"x": 1}),
    7,
    bson.Timestamp(1, 2),
    bson.Int64(1 << 40),
    bson.Decimal128("1.25"),
    bson.MinKey(),
    bson.MaxKey(),
]
# Types that the library does not write any more, or that cannot be an _id in MongoDB.
RAW_IDS = [
    b"\x06_id\0",
    b"\x0c_id\0\x04\0\0\0abc\0" + bytes(12),
    b"\x0e_id\0\x04\0\0\0abc\0",
    b"\x04_id\0" + bson.encode({"0": 1, "1": "two"}),
]


@pytest.mark.parametrize("kind", [bytes, memoryview])
@pytest.mark.parametrize(
    "element", [*(bson.encode({"_id": value})[4:-1] for value in IDS), *RAW_IDS], ids=repr
)
def test_the_whole_id_element_decides(element: bytes, kind: type[bytes] | type[memoryview]) -> None:
    rest = bson.encode({"other": "field", "_id": 5})[4:]
    length = 4 + len(element) + len(rest)
    stream = b"before" + struct.pack("<i", length) + element + rest + b"after"
    assert deciding_bytes(kind(stream), 6, length) == element


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x02name\0\x04\0\0\0abc\0" + b"\x12_id\0" + bytes(8),
        b"\x10_ID\0" + bytes(4),
        b"\x10_idx\0" + bytes(4),
        b"\x20_id\0" + bytes(90),
        b"\x02_id\0\xff\xff\xff\x7fabc\0",
        b"\x02_id\0\xff\xff\xff\xffabc\0",
        b"\x02_id\0\x01",
        b"\x0b_id\0never ends",
        b"\x0b_id\0ends\0once",
        b"\x07_id\0short",
    ],
)
def test_without_an_id_in_front_the_first_64_bytes_decide(body: bytes) -> None:
    length = 4 + len(body) + 1
    doc = struct.pack("<i", length) + body + b"\0"
    stream = b"before" + doc + b"\x07after"
    assert deciding_bytes(stream, 6, length) == doc[:64]


def test_documents_without_an_id_are_cut_and_come_to_the_same_cuts_again() -> None:
    docs = [bson.encode({"n": number, "filler": "x" * 60}) for number in range(500)]
    old = {chunk.data for chunk in cut(docs)}
    new = [chunk.data for chunk in cut(docs[1:]) if chunk.data not in old]
    assert len(old) > 30
    assert len(new) <= 6
