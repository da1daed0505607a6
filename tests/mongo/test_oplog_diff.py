"""Diffs of the oplog applied to bytes: what a server has done is what comes out."""

from typing import TYPE_CHECKING, Any

import bson
import pytest
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telamon.mongo.elements import MalformedBson
from telamon.mongo.oplog_diff import UnknownDiff, apply_diff
from tests.conftest import Mongod
from tests.mongo import zoo

if TYPE_CHECKING:
    from pymongo.collection import Collection

NAMES = st.sampled_from(["a", "b", "c", "long", "0", "1", "ünï", "s", "u", "i", "d", "l"])
RAW = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""There are dates that Python has not."""
LEAVES = st.one_of(
    st.integers(-3, 3),
    st.text("xy", max_size=3),
    st.booleans(),
    st.none(),
    st.sampled_from(list(zoo.VALUES.values())),
    st.just("z" * 200),  # so that a diff is worth its bytes
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=7)


@st.composite
def updates(draw: st.DrawFn) -> Any:
    """An update of a document such as DOCUMENTS makes; not every server takes each of them."""
    path = ".".join(draw(st.lists(NAMES, min_size=1, max_size=3)))
    value = draw(VALUES)
    return draw(
        st.sampled_from(
            [
                [{"$replaceWith": {"$literal": {"_id": 1, **draw(DOCUMENTS)}}}],
                [{"$set": {path: {"$literal": value}}}],
                [{"$unset": path}],
                {"$set": {path: value, "other": 1}},
                {"$unset": {path: 1}},
                {"$push": {path: value}},
                {"$push": {path: {"$each": [value, 1], "$position": 0, "$slice": -4}}},
                {"$pull": {path: value}},
                {"$pop": {path: -1}},
                {"$inc": {path: 1}},
                {"$rename": {path: "renamed"}},
            ]
        )
    )


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=DOCUMENTS, changes=st.lists(updates(), min_size=1, max_size=4))
def test_what_the_server_has_is_what_its_diffs_make(
    source: Mongod, before: dict[str, Any], changes: list[Any]
) -> None:
    collection = source.client["diffs"].get_collection("c", codec_options=RAW)
    collection.delete_many({})
    collection.insert_one(RawBSONDocument(bson.encode({"_id": 1, **before})))
    document = _stored(collection)
    for change in changes:
        command = {"update": "c", "updates": [{"q": {"_id": 1}, "u": change}]}
        reply = source.client["diffs"].command(command, check=False, codec_options=RAW)
        if reply.get("nModified"):
            document = _updated(document, _last_update(source))
        assert document == _stored(collection)


def test_diffs_of_every_form_are_seen(source: Mongod) -> None:
    """The generated ones may miss some; these are by hand, with the form that they must have."""
    collection = source.client["diffs"].get_collection("c", codec_options=RAW)
    pad = "p" * 300
    cases: list[tuple[dict[str, Any], Any, set[str]]] = [
        ({"a": 1, "b": 2}, {"$unset": {"a": 1}}, {"d"}),
        ({"a": 1, "b": 2}, {"$set": {"a": 5}}, {"u"}),
        ({"a": 1}, {"$set": {"c": 5}}, {"i"}),
        ({"a": {"x": 1, "y": pad}}, {"$set": {"a.x": 2}}, {"sa"}),
        ({"a": [1, pad, {"q": 1, "r": pad}]}, {"$set": {"a.2.q": 3}}, {"sa"}),
        ({"a": [pad, 2, 3]}, [{"$set": {"a": {"$slice": ["$a", 2]}}}], {"sa"}),
        ({"a": [pad]}, {"$set": {"a.5": 3}}, {"sa"}),
        ({"a": [pad, [1, 2, pad]]}, {"$set": {"a.1.0": {}}}, {"sa"}),
    ]
    for before, change, sections in cases:
        collection.delete_many({})
        collection.insert_one(RawBSONDocument(bson.encode({"_id": 1, **before, "pad": pad})))
        document = _stored(collection)
        collection.update_one({"_id": 1}, change)
        entry = _last_update(source)
        assert set(bson.decode(bytes(entry["diff"].raw))) == sections
        assert _updated(document, entry) == _stored(collection)


@pytest.mark.parametrize(
    ("before", "diff", "after"),
    [
        ({"a": 1}, {"sa": {"u": {"x": 1}}}, {"a": None}),
        ({"a": {"x": 1}}, {"sa": {"a": True, "u0": 1}}, {"a": None}),
        ({"a": [1]}, {"sa": {"u": {"x": 1}}}, {"a": None}),
        ({"a": [1]}, {"sa": {"a": True, "s0": {"d": {"q": False}}}}, {"a": [None]}),
        ({"a": [1]}, {"sa": {"a": True, "s2": {"d": {"q": False}}}}, {"a": [1, None, None]}),
        ({"a": [1, 2, 3]}, {"sa": {"a": True, "l": 5, "u4": 9}}, {"a": [1, 2, 3, None, 9]}),
        ({"a": [1, 2, 3]}, {"sa": {"a": True, "l": 0}}, {"a": []}),
        ({"a": [1], "b": 2}, {"i": {"a": 3}}, {"b": 2, "a": 3}),
        ({"b": 2}, {"u": {"a": 3}, "i": {"c": 1}}, {"b": 2, "a": 3, "c": 1}),
        ({"a": 1}, {"sb": {"u": {"x": 1}}}, {"a": 1}),
        ({"a": 1}, {}, {"a": 1}),
    ],
)
def test_forms_that_do_not_fit_the_document(before: Any, diff: Any, after: Any) -> None:
    assert apply_diff(bson.encode(before), bson.encode(diff)) == bson.encode(after)


@pytest.mark.parametrize(
    "diff",
    [
        {"b": {"d": b"compressed"}},
        {"u": 1},
        {"sa": 5},
        {"x": {"a": 1}},
        {"sa": {"a": True, "q1": 3}},
        {"sa": {"a": True, "u1": 3, "l": 2}},
        {"sa": {"a": True, "l": "2"}},
        {"sa": {"a": True, "s1": 2}},
        {"sa": {"a": True, "ux": 2}},
    ],
)
def test_unknown_forms_are_refused(diff: Any) -> None:
    with pytest.raises(UnknownDiff, match="section"):
        apply_diff(bson.encode({"a": [1, {}]}), bson.encode(diff))


def test_a_diff_that_is_no_bson_is_refused() -> None:
    with pytest.raises(MalformedBson):
        apply_diff(bson.encode({"a": 1}), bson.encode({"u": {"a": 2}})[:-3])


def _stored(collection: "Collection[Any]") -> bytes:
    (found,) = collection.find({"_id": 1})
    return bytes(found.raw)


def _last_update(source: Mongod) -> RawBSONDocument:
    oplog = source.client.local.get_collection("oplog.rs", codec_options=RAW)
    entry = oplog.find_one({"op": "u", "ns": "diffs.c"}, sort=[("$natural", -1)])
    assert entry is not None
    change: RawBSONDocument = entry["o"]
    return change


def _updated(document: bytes, change: RawBSONDocument) -> bytes:
    if "$v" not in change:
        return bytes(change.raw)
    assert change["$v"] == 2
    return apply_diff(document, bytes(change["diff"].raw))
