"""BSON walked as bytes, against PyMongo's own encoder and decoder."""

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st

from telamon.mongo.cursor import documents_of_array
from telamon.mongo.elements import (
    MalformedBson,
    array_documents,
    document_end,
    documents_that_fit,
    elements,
)
from tests.mongo import zoo

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=300)
DOCUMENTS = st.dictionaries(NAMES, st.sampled_from(list(zoo.VALUES.values())), max_size=5)


@given(DOCUMENTS)
def test_elements_are_all_of_a_document_in_order(document: dict[str, object]) -> None:
    encoded = bson.encode(document)

    found = list(elements(encoded))

    assert [element.name.decode() for element in found] == list(document)
    assert b"".join(encoded[one.start : one.end] for one in found) == encoded[4:-1]


@pytest.mark.parametrize("document", zoo.UNUSUAL, ids=range(len(zoo.UNUSUAL)))
def test_elements_of_documents_that_pymongo_cannot_write(document: RawBSONDocument) -> None:
    encoded = bytes(document.raw)

    found = list(elements(encoded))

    assert b"".join(encoded[one.start : one.end] for one in found) == encoded[4:-1]


@given(st.lists(DOCUMENTS, max_size=20))
def test_the_documents_of_an_array_are_cut_out_alike_by_python_and_by_pymongo(
    documents: list[dict[str, object]],
) -> None:
    array = bson.encode({str(number): document for number, document in enumerate(documents)})

    expected = b"".join(map(bson.encode, documents))
    assert array_documents(array) == expected
    assert documents_of_array(memoryview(array)) == expected


@given(DOCUMENTS, st.data())
def test_a_document_cut_short_is_refused(document: dict[str, object], data: st.DataObject) -> None:
    encoded = bson.encode(document)
    length = data.draw(st.integers(0, len(encoded) - 1))

    with pytest.raises(MalformedBson):
        list(elements(encoded[:length]))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_walked_or_refused(content: bytes) -> None:
    """Never anything else: no endless loop, no other error."""
    document = (len(content) + 5).to_bytes(4, "little") + content + b"\x00"

    try:
        found = list(elements(document))
    except MalformedBson:
        return

    assert b"".join(document[one.start : one.end] for one in found) == content


def test_the_end_of_a_document_is_where_its_length_says() -> None:
    first, second = bson.encode({"a": 1}), bson.encode({"b": "x"})

    assert document_end(first + second, 0) == len(first)
    assert document_end(first + second, len(first)) == len(first + second)


@given(
    st.lists(DOCUMENTS, max_size=20), st.integers(0, 300), st.integers(0, 12), st.integers(0, 20)
)
def test_as_many_documents_are_found_as_fit(
    documents: list[dict[str, object]], most_bytes: int, most_documents: int, first: int
) -> None:
    encoded = [bson.encode(document) for document in documents]
    start = len(b"".join(encoded[:first]))
    expected = 0
    for count in range(1, min(most_documents, len(encoded) - first) + 1):
        if len(b"".join(encoded[first : first + count])) <= most_bytes:
            expected = count

    end, found = documents_that_fit(
        b"".join(encoded), start, most_bytes=most_bytes, most_documents=most_documents
    )

    assert found == expected
    assert end == start + len(b"".join(encoded[first : first + expected]))
