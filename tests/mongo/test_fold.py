"""Snapshots from before, folded with the oplog of a real server: catalogue and documents at the end."""

import datetime
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel, MongoClient
from pymongo.errors import OperationFailure

from telamon.errors import RestoreFailed
from telamon.model.manifest import ClusterTime, CollectionKind, CollectionSpec, Namespace
from telamon.mongo.connect import Client
from telamon.mongo.fill import Rest, Source
from telamon.mongo.fold import Fold
from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.folding import assert_folds, assert_same, captured, run, sources, time_of
from tests.mongo.memory import take
from tests.mongo.trouble import fill_source

NOTHING = Rest(documents=0, size_bytes=0, read=lambda: iter(()))
_DAY = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def test_everything_that_is_made_since(source: Mongod) -> None:
    assert_folds(source.client, zoo.fill)


def test_everything_that_goes(source: Mongod) -> None:
    fill_source(source.client)
    zoo.fill_kinds(source.client)

    def act(client: Client) -> None:
        client.drop_database("kinds")
        client["shop"].drop_collection("series")
        client["shop"].drop_collection("view")
        client["shop"]["orders"].delete_many({})
        client["other"]["empty"].insert_one({"_id": 1})

    assert_folds(source.client, act)


def test_writes_of_every_kind(source: Mongod) -> None:
    many = source.client["d"]["many"]
    many.insert_many({"_id": n, "n": n, "pad": "p" * 100, "list": [1, 2]} for n in range(200))

    def act(client: Client) -> None:
        many.delete_many({"_id": {"$lt": 20}})
        many.update_many({"_id": {"$lt": 60}}, {"$inc": {"n": 1}, "$push": {"list": 9}})
        many.update_many({"_id": {"$lt": 40}}, [{"$unset": "n"}])
        many.replace_one({"_id": 50}, {"x": 1})
        many.update_one({"_id": 50}, {"$set": {"y": {"z": 1}}})
        many.update_one({"_id": 50}, {"$set": {"y.z": 2}})
        many.insert_many([{"_id": 5, "again": 1}, {"_id": 1000}, {"_id": 999}, {"_id": 1001}])
        many.delete_one({"_id": 1000})
        many.insert_one({"_id": 1000, "late": True})
        many.update_one({"_id": 999}, {"$set": {"changed": 1}})
        many.delete_one({"_id": 1001})
        many.delete_one({"_id": 55})
        many.insert_one({"_id": 55, "moved": 1})
        many.delete_one({"_id": 55})
        many.find_one_and_update({"_id": 60}, {"$set": {"found": 1}}, upsert=True)
        many.update_one({"_id": "new"}, {"$set": {"a": 1}}, upsert=True)

    assert_folds(source.client, act)


def test_transactions(source: Mongod) -> None:
    """In one entry, in a chain of entries, ended without a commit, and retryable writes in between."""
    one = source.client["d"]["one"]
    one.insert_many({"_id": n, "n": 0} for n in range(10))

    def act(client: Client) -> None:
        with client.start_session() as session:
            with session.start_transaction():
                one.update_one({"_id": 1}, {"$set": {"n": 1}}, session=session)
                client["d"]["made"].insert_one({"_id": 1}, session=session)
                one.delete_one({"_id": 2}, session=session)
            with session.start_transaction():
                for n in range(3):
                    one.insert_one({"_id": 100 + n, "x": "y" * 9_000_000}, session=session)
                one.update_one({"_id": 100}, {"$set": {"x": 1}}, session=session)
            with session.start_transaction():
                one.insert_one({"_id": "never"}, session=session)
                session.abort_transaction()
        writer: Client
        with MongoClient(source.uri, retryWrites=True) as writer:
            writer["d"]["one"].update_one({"_id": 3}, {"$set": {"n": 3}})
            writer["d"]["one"].find_one_and_update({"_id": 4}, {"$inc": {"n": 4}})
            run(writer, "d", insert="one", documents=[{"_id": 200}, {"_id": 201}])

    assert_folds(source.client, act)


def test_a_transaction_that_is_committed_later_is_not_there(source: Mongod) -> None:
    one = source.client["d"]["one"]
    one.insert_one({"_id": 0})
    before = take(source.client)
    with source.client.start_session() as session, session.start_transaction():
        one.insert_one({"_id": 1}, session=session)
        one.insert_one({"_id": 2})
        after = take(source.client)
    assert_same(before, captured(source.client, time_of(before)), after)


def test_changes_of_collections(source: Mongod) -> None:
    client = source.client
    zoo.fill_kinds(client)
    client["d"]["plain"].insert_one({"_id": 1, "a": 1, "b": 2})
    client["d"]["plain"].create_indexes(
        [IndexModel("a"), IndexModel("b", expireAfterSeconds=1_000_000_000), IndexModel("c")]
    )

    def act(client: Client) -> None:
        index = {"name": "b_1"}
        run(client, "d", collMod="plain", index={**index, "expireAfterSeconds": 1_500_000_000})
        run(client, "d", collMod="plain", index={"name": "c_1", "hidden": True})
        run(client, "d", collMod="plain", index={"name": "a_1", "hidden": True})
        run(client, "d", collMod="plain", index={"name": "a_1", "hidden": False})
        run(client, "d", collMod="plain", index={"name": "a_1", "expireAfterSeconds": 1e9})
        run(client, "d", collMod="plain", index={"name": "c_1", "prepareUnique": True})
        run(client, "d", collMod="plain", index={"name": "c_1", "unique": True})
        run(client, "d", collMod="plain", index={"name": "b_1", "prepareUnique": True})
        run(client, "d", collMod="plain", validator={"z": {"$ne": 1}}, validationLevel="moderate")
        run(client, "d", collMod="plain", changeStreamPreAndPostImages={"enabled": True})
        run(client, "kinds", collMod="validated", validator={})
        run(client, "kinds", collMod="validated", validationAction="warn")
        run(client, "kinds", collMod="pre-images", changeStreamPreAndPostImages={"enabled": False})
        run(client, "kinds", collMod="capped", cappedSize=16384)
        run(client, "kinds", collMod="capped by count", cappedMax=20)
        run(client, "kinds", collMod="clustered", expireAfterSeconds=1_500_000_000)
        run(client, "kinds", collMod="collated", validationLevel="off")
        run(client, "kinds", collMod="view", viewOn="collated", pipeline=[{"$limit": 3}])
        run(client, "kinds", collMod="clustered", expireAfterSeconds="off")

    assert_folds(client, act)


def test_changes_of_time_series(source: Mongod) -> None:
    zoo.fill_timeseries(source.client)

    def act(client: Client) -> None:
        later = [_DAY + datetime.timedelta(minutes=7 * n) for n in range(50)]
        client["series"]["measured"].insert_many(
            [{"t": t, "m": {"sensor": 1}, "v": 1.0} for t in later]
        )
        client["series"]["measured"].delete_many({"m.sensor": 2})
        run(client, "series", collMod="measured", timeseries={"granularity": "hours"})
        run(client, "series", collMod="plain ☃", expireAfterSeconds=1_500_000_000)
        run(client, "series", collMod="measured", index={"name": "h", "hidden": False})
        run(client, "series", collMod="measured", index={"name": "m.sensor_1_t_-1", "hidden": True})
        client["series"]["measured"].drop_index("p")
        client["series"]["plain ☃"].create_index("t")
        client["series"].drop_collection("no documents")
        client["series"].create_collection("no documents", timeseries={"timeField": "u"})
        client["series"]["no documents"].insert_one({"u": _DAY})

    assert_folds(source.client, act)


def test_renames_and_what_the_server_makes_of_copies(source: Mongod) -> None:
    client = source.client
    for name in ("a", "b", "c", "e", "f", "g"):
        client["d"][name].insert_many([{"_id": n, "name": name} for n in range(5)])
    client["d"]["a"].create_index("name")
    client["other"]["c"].insert_one({"_id": 1})

    def act(client: Client) -> None:
        client["d"]["a"].rename("a2")
        client["d"]["a2"].update_one({"_id": 1}, {"$set": {"n": 1}})
        client["d"]["b"].rename("e", dropTarget=True)
        client["d"]["b"].insert_one({"_id": "new"})
        client.admin.command({"renameCollection": "d.c", "to": "other.c", "dropTarget": True})
        client.admin.command({"renameCollection": "d.a2", "to": "other.a"})
        run(client, "d", convertToCapped="f", size=8192)
        run(client, "d", cloneCollectionAsCapped="g", toCollection="h", size=4096)
        client["d"]["g"].aggregate([{"$match": {"_id": {"$gt": 2}}}, {"$out": "out"}])
        client["d"]["g"].aggregate([{"$set": {"x": 1}}, {"$merge": "e"}])

    assert_folds(client, act)


def test_indexes_come_and_go(source: Mongod) -> None:
    c = source.client["d"]["c"]
    c.insert_many({"_id": n, "a": n % 3} for n in range(10))
    c.create_index("old")

    def act(_client: Client) -> None:
        c.create_index("b", unique=True, sparse=True, hidden=True)
        with pytest.raises(OperationFailure):
            c.create_index("a", unique=True)
        c.create_indexes([IndexModel("d", expireAfterSeconds=5.0), IndexModel([("e", "text")])])
        c.drop_index("old_1")
        c.create_index("old", collation={"locale": "fr"})
        c.drop_index("d_1")
        c.create_index([("p", "2dsphere")])
        c.create_index([("q", "2d")], min=-10, max=10)

    assert_folds(source.client, act)


def test_a_capped_collection_goes_round(source: Mongod) -> None:
    ring = source.client["d"].create_collection("ring", capped=True, size=4096, max=10)
    ring.insert_many({"_id": n} for n in range(8))

    def act(_client: Client) -> None:
        for n in range(100, 107):
            ring.insert_one({"_id": n})
        ring.update_one({"_id": 104}, {"$set": {"a": 1}})

    assert_folds(source.client, act)


def test_temporary_collections_and_shadows_are_left_out(source: Mongod) -> None:
    c = source.client["d"]["c"]
    c.insert_one({"_id": 1})
    run(source.client, "d", create="telamon.shadow.x.0")

    def act(client: Client) -> None:
        client["d"]["telamon.shadow.x.0"].insert_one({"_id": 1})
        client["d"]["telamon.shadow.x.1"].insert_one({"_id": 1})
        client["d"]["telamon.shadow.x.2"].insert_one({"_id": 3})
        client["d"]["telamon.shadow.x.2"].rename("c", dropTarget=True)

    assert_folds(source.client, act)


def test_what_a_snapshot_lacks_cannot_be_made_up(source: Mongod) -> None:
    client = source.client
    shadow = client["d"]["telamon.shadow.x.0"]
    shadow.insert_one({"_id": 1})
    before = take(client)
    shadow.rename("c")
    after = take(client)

    with Fold(sources(before), since=time_of(before)) as fold:
        fold.apply(captured(client, time_of(before)), until=time_of(after))
        with pytest.raises(RestoreFailed, match=r"d\.c holds was written in part before"):
            fold.sources()


UUID = bson.Binary(b"u" * 16, 4)


def _entry(seconds: int, **members: Any) -> bytes:
    stamp = {"ts": bson.Timestamp(seconds, 1), "t": 1, "v": 2}
    return bson.encode({"op": "u", "ns": "d.c", "ui": UUID, **stamp, **members})


CREATED = _entry(2, op="c", ns="d.$cmd", o={"create": "c"})
INSERTED = _entry(3, op="i", o={"_id": 1, "a": 1})
SESSION: dict[str, Any] = {"lsid": {"id": UUID}, "txnNumber": 1}


def _applied(seconds: int, *operations: bytes, **members: Any) -> bytes:
    command = {"applyOps": [RawBSONDocument(one) for one in operations], **members}
    return _entry(seconds, op="c", ns="admin.$cmd", o=command, **SESSION)


def _inner(**members: Any) -> bytes:
    return bson.encode({"op": "i", "ns": "d.c", "ui": UUID, **members})


def _ids(*pieces: bytes, until: int = 100) -> list[Any]:
    """Of the documents in ``d.c`` after some entries."""
    with Fold([], since=ClusterTime(seconds=1, increment=0)) as fold:
        fold.apply(pieces, until=ClusterTime(seconds=until, increment=0))
        (found,) = fold.sources()
        return [document["_id"] for document in bson.decode_all(b"".join(found.read()))]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (_entry(4, o={"$v": 1, "$set": {"a": 1}}, o2={"_id": 1}), "d.c: .* version"),
        (_entry(4, o={"$v": 2, "diff": {"b": {"d": 1}}}, o2={"_id": 1}), 'd.c .* section "b"'),
        (_entry(4, op="c", ns="d.$cmd", o={"importCollection": "c"}), "importCollection"),
        (_entry(4, op="c", ns="d.$cmd", o={"collMod": "c", "unheardOf": 1}), "d.c .* unheardOf"),
        (_entry(4, op="x", o={"_id": 1}), 'd.c: .* operation "x"'),
        (_entry(4, op="i", o={"_id": 1}), "d.c: .* there already"),
        (_entry(4, o={"a": 1}), "d.c: .* which document"),
        (_entry(3, op="i", o={"_id": 2}), "not in order"),
        (_entry(4, op="c", ns="admin.$cmd", o={"commitTransaction": 1}, **SESSION), "prepared"),
        (_applied(4, _inner(o={"_id": 2}), count=2), "only 1 are in what was captured"),
    ],
)
def test_unknown_forms_are_refused(entry: bytes, message: str) -> None:
    with pytest.raises(RestoreFailed, match=message):
        _ids(CREATED, INSERTED, entry)


def test_a_change_of_a_document_that_is_not_there_is_refused() -> None:
    update = _entry(4, o={"$v": 2, "diff": {"u": {"a": 1}}}, o2={"_id": 7})
    with pytest.raises(RestoreFailed, match=r"d\.c: .* 1 documents of the snapshot, which has 0"):
        _ids(CREATED, INSERTED, update)


def test_a_prepared_transaction_takes_effect_when_it_is_committed() -> None:
    prepared = _applied(4, _inner(o={"_id": 5}), prepare=True)
    commit = _entry(8, op="c", ns="admin.$cmd", o={"commitTransaction": 1}, **SESSION)
    other = _entry(5, op="i", o={"_id": 4})

    assert _ids(CREATED, prepared, other, commit) == [4, 5]
    assert _ids(CREATED, prepared, other, commit, until=7) == [4]


def test_a_transaction_in_parts_may_be_ended_without_effect() -> None:
    parts = [_applied(n, _inner(o={"_id": n}), partialTxn=True) for n in (3, 4)]
    prepared = _applied(5, _inner(o={"_id": 5}), prepare=True, count=3)
    abort = _entry(6, op="c", ns="admin.$cmd", o={"abortTransaction": 1}, **SESSION)
    commit = _entry(6, op="c", ns="admin.$cmd", o={"commitTransaction": 1}, **SESSION)

    assert _ids(CREATED, *parts, prepared, abort) == []
    assert _ids(CREATED, *parts, prepared, commit) == [3, 4, 5]


def test_a_transaction_that_was_open_when_the_snapshot_was_taken() -> None:
    prepared = _applied(1, _inner(o={"_id": 5}), prepare=True)
    commit = _entry(8, op="c", ns="admin.$cmd", o={"commitTransaction": 1}, **SESSION)

    with Fold([], since=ClusterTime(seconds=1, increment=1)) as fold:
        fold.apply([prepared, CREATED, commit], until=ClusterTime(seconds=9, increment=0))
        (found,) = fold.sources()
    assert found.documents == 1


def test_operations_that_are_in_one_entry_and_no_transaction() -> None:
    """As later servers write down many inserts of one command."""
    command = {"applyOps": [RawBSONDocument(_inner(o={"_id": n})) for n in (7, 8)]}
    vectored = _entry(4, op="c", ns="admin.$cmd", o=command, multiOpType=1, **SESSION)
    part = _applied(3, _inner(o={"_id": 1}), partialTxn=True)

    assert _ids(CREATED, part, vectored) == [7, 8]


def test_a_moment_counts_the_entries_at_it() -> None:
    assert _ids(CREATED, INSERTED, _entry(5, op="i", o={"_id": 2}), until=5) == [1]
    with Fold([], since=ClusterTime(seconds=1, increment=0)) as fold:
        fold.apply([CREATED, INSERTED], until=ClusterTime(seconds=3, increment=1))
        assert fold.sources()[0].documents == 1


def test_what_was_not_written_to_can_be_proven_as_before() -> None:
    spec = CollectionSpec(
        namespace=Namespace("d", "kept"),
        kind=CollectionKind.COLLECTION,
        options=bson.encode({}),
        indexes=(),
        uuid=b"k" * 16,
    )
    base = Source(
        spec=spec, documents=0, size_bytes=0, read=lambda: iter(()), rest=lambda _bytes: NOTHING
    )
    with Fold([base], since=ClusterTime(seconds=1, increment=0)) as fold:
        fold.apply([CREATED, INSERTED], until=ClusterTime(seconds=9, increment=0))
        written, kept = fold.sources()

    assert (kept.spec, kept.rest) == (spec, base.rest)
    assert (written.documents, written.rest) == (1, None)
