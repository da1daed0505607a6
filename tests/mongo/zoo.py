"""One of every kind: values, names, collections and indexes that a snapshot must bring back."""

import datetime
import struct
from typing import Any

from bson import encode
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.regex import Regex
from bson.son import SON
from bson.timestamp import Timestamp

from telamon.mongo.connect import Client

LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024
DAY = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
_FAR_SECONDS = 1_000_000_000
_DEEPEST = 178  # levels below a field, of the 180 that a server takes for a stored document


def _decimal(high: int, low: int) -> Decimal128:
    return Decimal128.from_bid(struct.pack("<QQ", low, high))


VALUES: dict[str, Any] = {
    "double": 1.0,
    "double nan": float("nan"),
    "double infinite": float("inf"),
    "double negative infinite": float("-inf"),
    "double negative zero": -0.0,
    "double denormal": 5e-324,
    "string": "snow ☃ and 𝄞",
    "string with zero": "a\x00b\x00",
    "string empty": "",
    "document": {"a": {"b": 1}},
    "document empty": {},
    "array": [1, "two", [3.0, {}], None],
    "array empty": [],
    **{f"binary {subtype}": Binary(b"\x00\x11\xff", subtype) for subtype in (0, 1, 5, 6, 128, 255)},
    "binary 2": Binary(b"old", 2),
    "binary 3": Binary(b"u" * 16, 3),
    "binary 4": Binary(b"U" * 16, 4),
    "binary empty": Binary(b"", 0),
    "object id": ObjectId("5f0000000000000000000002"),
    "true": True,
    "false": False,
    "date": DAY,
    "date before 1970": DatetimeMS(-1),
    "date long ago": DatetimeMS(-(2**63)),
    "date after 9999": DatetimeMS(2**63 - 1),
    "null": None,
    "regex": Regex("^a/b\\.c", "imsx"),
    "regex empty": Regex(""),
    "dbref": DBRef("c", 1, "d", extra=2),
    "code": Code("function() { return 1; }"),
    "code with scope": Code("x", {"x": Timestamp(0, 0), "y": {"z": 1}}),
    "int32": 1,
    "int32 least": -(2**31),
    "int64": Int64(1),
    "int64 least": Int64(-(2**63)),
    "timestamp": Timestamp(1, 2),
    "timestamp greatest": Timestamp(2**32 - 1, 2**32 - 1),
    "timestamp zero within": {"t": Timestamp(0, 0), "a": [Timestamp(0, 0)]},
    "decimal": Decimal128("1.10"),
    "decimal negative zero": Decimal128("-0E+3"),
    "decimal infinite": Decimal128("-Infinity"),
    "decimal nan": Decimal128("NaN"),
    "decimal nan with payload": _decimal(0x7C00_0000_0000_0000, 0x1234),
    "decimal signalling nan": _decimal(0xFE00_0000_0000_0000, 7),
    "min key": MinKey(),
    "max key": MaxKey(),
    "$dollar": {"$inner": 1, "in.ner": 2},
    "dot.ted": 1,
    "name ☃\n\t\"'": 1,
    "long name " + "n" * 2000: 1,
}


def raw_document(*parts: bytes) -> RawBSONDocument:
    """A document of elements that are given as bytes."""
    content = b"".join(parts)
    return RawBSONDocument(struct.pack("<i", len(content) + 5) + content + b"\x00")


def raw_element(kind: int, name: str, value: bytes) -> bytes:
    return bytes([kind]) + name.encode() + b"\x00" + value


def _int32(name: str, value: int) -> bytes:
    return raw_element(0x10, name, struct.pack("<i", value))


def _string(text: bytes) -> bytes:
    return struct.pack("<i", len(text) + 1) + text + b"\x00"


UNUSUAL = [
    raw_document(
        _int32("_id", 1), _int32("a", 1), _int32("a", 2), raw_element(0x02, "a", _string(b"3"))
    ),
    raw_document(_int32("_id", 2), _int32("", 1), _int32("", 2)),
    raw_document(_int32("_id", 3), raw_element(0x06, "undefined", b"")),
    raw_document(_int32("_id", 4), raw_element(0x0C, "pointer", _string(b"db.c") + b"p" * 12)),
    raw_document(_int32("_id", 5), raw_element(0x0E, "symbol", _string(b"sym"))),
    raw_document(_int32("_id", 6), raw_element(0x08, "true as one", b"\x01")),
    raw_document(_int32("_id", 7), raw_element(0x02, "not utf-8", _string(b"\xff\xfe"))),
    raw_document(
        _int32("_id", 8), raw_element(0x04, "array with odd keys", encode({"7": 1, "x": 2}))
    ),
]
"""Documents that PyMongo cannot write, or would write otherwise."""

IDS: list[Any] = [
    1.5, "text", {"a": 1, "b": {"c": 2}}, Binary(b"\x11" * 9, 0), None, True, DatetimeMS(-1),
    MinKey(), MaxKey(), Decimal128("NaN"), Timestamp(0, 0), Int64(7), Code("x"), {},
]  # fmt: skip

ZERO = Timestamp(0, 0)
_ZERO_VALUE = bytes(8)
ZERO_TIMESTAMPS = [
    RawBSONDocument(encode({"_id": 1, "t": ZERO, "after": 1})),
    RawBSONDocument(encode({"_id": {"a": 1}, "$t": ZERO, "d.t": ZERO, "": ZERO, "z": {"t": ZERO}})),
    raw_document(_int32("_id", 2), _int32("t", 1), raw_element(0x11, "t", _ZERO_VALUE)),
    RawBSONDocument(encode({"_id": Decimal128("NaN"), "t": ZERO})),
    RawBSONDocument(encode({"_id": None, "t": ZERO, "again": ZERO})),
]
"""Documents to which an insert would give the present time."""

COLLECTION_NAMES = [
    "ünïcödé ☃", "with space", "new\nline", "quo\"te'", "per%cent", "Case", "case", "a.b.c", "a..b",
    "trailing.", "back\\slash", "tab\t", "slash/", "brace{}", "n" * 200, "system", "-", "*",
]  # fmt: skip
DATABASE_NAMES = ["ünï", "with-dash", "new\nline", "a'b", "per%cent", "star*<>|:?", "d" * 63]

INDEXES: list[dict[str, Any]] = [
    {"key": {"u": 1}, "unique": True},
    {"key": {"s": -1}, "sparse": True},
    {"key": SON([("a", 1), ("b", -1)]), "partialFilterExpression": {"b": {"$gt": 3}}},
    {"key": {"at": 1}, "expireAfterSeconds": _FAR_SECONDS},
    {
        "key": SON([("p", 1), ("text", "text"), ("other", "text")]),
        "weights": {"text": 5, "other": 1},
        "default_language": "german",
        "language_override": "sprache",
    },
    {"key": {"place": "2dsphere"}},
    {"key": {"flat": "2d"}, "min": -100.0, "max": 100.0, "bits": 20},
    {"key": {"h": "hashed"}},
    {"key": {"$**": 1}, "wildcardProjection": {"w": 1, "v.x": 1}},
    {"key": {"hid": 1}, "hidden": True},
    {"key": {"c": 1}, "collation": {"locale": "fr", "strength": 2}},
    {"key": SON([("multi.x", Int64(1)), ("k", -1.5)])},
    {"key": {"double": 1.0}},
    {"key": {"big": 10.0}, "unique": True, "sparse": True},
]


def fill(client: Client) -> None:
    """Put the whole zoo into an empty deployment."""
    _fill_values(client)
    _fill_names(client)
    fill_kinds(client)
    fill_timeseries(client)
    _fill_indexes(client)


def _insert(client: Client, database: str, collection: str, documents: list[Any]) -> None:
    command = {"insert": collection, "documents": documents, "bypassDocumentValidation": True}
    reply = client[database].command(command)
    assert len(documents) == reply["n"], reply


def _fill_values(client: Client) -> None:
    _insert(client, "values", "all", [{"_id": name, name: value} for name, value in VALUES.items()])
    _insert(client, "values", "together", [{"_id": 1, **VALUES}])
    _insert(client, "values", "unusual", UNUSUAL)
    _insert(client, "values", "ids", [{"_id": value, "n": 1} for value in IDS])
    nested: dict[str, Any] = {}
    for _ in range(_DEEPEST):
        nested = {"": nested}
    _insert(client, "values", "deep", [{"_id": 1, "d": nested}])
    _insert(client, "values", "large", [_largest(1)])
    _insert(client, "values", "large", [_largest(2)])
    put_zero_timestamps(client, "values", "zero", ZERO_TIMESTAMPS)
    client["values"].create_collection("zero collated", collation={"locale": "en", "strength": 1})
    put_zero_timestamps(client, "values", "zero collated", [{"_id": "A", "t": ZERO}])


def put_zero_timestamps(
    client: Client, database: str, collection: str, documents: list[Any]
) -> None:
    """Store each document as it is, with the statement that a user would need for it."""
    for document in documents:
        _insert(client, database, collection, [document])
        statement = {
            "q": {"_id": document["_id"]},
            "u": [{"$replaceWith": {"$literal": document}}],
        }
        reply = client[database].command({"update": collection, "updates": [statement]})
        assert reply["n"] == 1


def _largest(number: int) -> dict[str, Any]:
    frame = len(encode({"_id": number, "x": b""}))
    return {"_id": number, "x": bytes(LARGEST_DOCUMENT_BYTES - frame)}


def _fill_names(client: Client) -> None:
    for number, name in enumerate(COLLECTION_NAMES):
        _insert(client, "names", name, [{"_id": number}])
    for name in DATABASE_NAMES:
        _insert(client, name, "c", [{"_id": name}])


def fill_kinds(client: Client) -> None:
    """Every kind of collection and view."""
    kinds = client["kinds"]
    kinds.create_collection("empty")
    kinds.create_collection("capped", capped=True, size=8192)
    kinds["capped"].insert_many([{"_id": -number, "x": "y" * 100} for number in range(200)])
    kinds.create_collection("capped by count", capped=True, size=1_000_000, max=10)
    kinds["capped by count"].insert_many([{"_id": (7 * number) % 100} for number in range(50)])
    kinds["capped by count"].create_index("a")
    clustered = {"key": {"_id": 1}, "unique": True, "name": "by time"}
    kinds.create_collection("clustered", clusteredIndex=clustered, expireAfterSeconds=_FAR_SECONDS)
    kinds["clustered"].insert_many([{"_id": number % 17} for number in range(17)])
    kinds["clustered"].create_index("a")
    kinds.create_collection("collated", collation={"locale": "de", "strength": 2})
    kinds["collated"].insert_many([{"_id": "ä", "a": "ß"}, {"_id": "b", "a": "s"}])
    kinds["collated"].create_index("a")
    kinds["collated"].create_index([("b", 1)], collation={"locale": "simple"})
    kinds["collated"].create_index([("c", 1)], collation={"locale": "fr"})
    validator = {"$or": [{"a": {"$type": "int"}}, {"$expr": {"$gt": ["$a", "$b"]}}]}
    kinds.create_collection(
        "validated", validator=validator, validationLevel="moderate", validationAction="error"
    )
    _insert(client, "kinds", "validated", [{"_id": 1, "a": "no int"}])
    kinds.create_collection("pre-images", changeStreamPreAndPostImages={"enabled": True})
    kinds.create_collection("tuned", storageEngine={"wiredTiger": {"configString": ""}})
    kinds.command({"create": "a view on a view", "viewOn": "view", "pipeline": [{"$limit": 1}]})
    pipeline = [{"$match": {"a": {"$gt": 1}}}, {"$project": {"b.c": 1}}]
    kinds.command({"create": "view", "viewOn": "empty", "pipeline": pipeline})
    french = {"locale": "fr"}
    kinds.command(
        {"create": "collated view", "viewOn": "none", "pipeline": [], "collation": french}
    )
    client["only-views"].command({"create": "v", "viewOn": "nothing", "pipeline": []})
    client["functions"].command({"create": "system.js"})
    _insert(client, "functions", "system.js", [{"_id": "f", "value": Code("function() {}")}])
    put_zero_timestamps(client, "functions", "system.js", [{"_id": "t", "value": ZERO}])


def fill_timeseries(client: Client) -> None:
    """Time series of several buckets, with secondary indexes."""
    series = client["series"]
    series.create_collection(
        "measured", timeseries={"timeField": "t", "metaField": "m", "granularity": "minutes"}
    )
    hours = [DAY + datetime.timedelta(hours=number) for number in range(60)]
    series["measured"].insert_many(
        [{"t": hour, "m": {"sensor": n}, "v": n * 1.5} for hour in hours for n in range(3)]
    )
    series["measured"].create_index([("m.sensor", 1), ("t", -1)])
    hidden = {"key": {"v": 1}, "name": "h", "hidden": True}
    partial = {"key": {"m": 1}, "name": "p", "partialFilterExpression": {"v": {"$gt": 3}}}
    placed = {"key": {"m.place": "2dsphere"}, "name": "place"}
    series.command({"createIndexes": "measured", "indexes": [hidden, partial, placed]})
    series.create_collection(
        "plain ☃", timeseries={"timeField": "t"}, expireAfterSeconds=_FAR_SECONDS
    )
    series["plain ☃"].insert_many([{"t": hour, "x": None} for hour in hours])
    series.create_collection(
        "collated", timeseries={"timeField": "t", "metaField": "m"}, collation={"locale": "de"}
    )
    series["collated"].create_index([("m.a", 1)], collation={"locale": "simple"})
    series["collated"].create_index([("m.b", 1)])
    series.create_collection("no documents", timeseries={"timeField": "t"})
    series.command({"create": "view of measured", "viewOn": "measured", "pipeline": []})


def _fill_indexes(client: Client) -> None:
    indexes = [{"name": f"index {number}", **index} for number, index in enumerate(INDEXES)]
    client["indexed"].command({"createIndexes": "c", "indexes": indexes})
    documents = [
        {"_id": n, "u": n, "a": n, "b": n, "text": "Haus", "h": n, "multi": [{"x": n}, {"x": -n}],
         "place": {"type": "Point", "coordinates": [n, n]}, "flat": [n, n], "k": n, "c": "é",
         "sprache": "french"}
        for n in range(20)
    ]  # fmt: skip
    _insert(client, "indexed", "c", documents)
