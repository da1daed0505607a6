"""What the oplog tells of the documents that are written to."""

import bson
import pytest

from telamon.errors import SnapshotFailed
from telamon.model.manifest import ClusterTime
from telamon.mongo.catalog import read_catalog
from telamon.mongo.elements import id_element
from telamon.mongo.follow import Follower, written
from telamon.mongo.oplog import last_write
from telamon.mongo.touched import Touched
from tests.conftest import Mongod
from tests.mongo.meddler import fill
from tests.mongo.memory import uuid_of


def test_an_oplog_that_does_not_reach_back_is_the_reason(source: Mongod) -> None:
    long_ago = ClusterTime(seconds=1_600_000_000, increment=1)
    with Touched() as touched, Follower(source.client, long_ago, touched) as follower:
        with pytest.raises(
            SnapshotFailed,
            match=r"oplog reaches back: it began \d{9} seconds ago, .* the last \d{1,6}\. "
            r".*replSetResizeOplog",
        ):
            follower.wait(last_write(source.client))
        with pytest.raises(SnapshotFailed, match="oplog reaches back"):
            follower.check()


def test_documents_in_transactions_and_nested_apply_ops_are_followed(source: Mongod) -> None:
    client = source.client
    fill(client, "first", 3)
    since = last_write(client)
    nested = {"op": "i", "ns": "shop.first", "o": {"_id": "nested"}}
    for _ in range(3):
        nested = {"op": "c", "ns": "admin.$cmd", "o": {"applyOps": [nested]}}
    client.admin.command({"applyOps": [nested]})
    with client.start_session() as session, session.start_transaction():
        client["shop"]["first"].delete_one({"_id": 0}, session=session)
        client["shop"]["first"].update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
    (spec,) = read_catalog(client)
    with Touched() as touched, Follower(client, since, touched) as follower:
        follower.wait(last_write(client))
        (found,) = touched.unsettled(uuid_of(spec), 10**6, 10)
    # The entry of ``since`` itself is the last insert.
    assert set(found) == {id_element(bson.encode({"_id": id_}), 0) for id_ in ("nested", 0, 1, 2)}


@pytest.mark.parametrize("database", ["shop", "config"])
def test_a_write_to_a_document_without_a_name_is_a_reason_to_fail(database: str) -> None:
    entry = bson.raw_bson.RawBSONDocument(
        bson.encode({"op": "i", "ns": f"{database}.c", "ui": b"u" * 16, "o": {}})
    )
    if database == "config":
        assert list(written(entry)) == []
    else:
        with pytest.raises(SnapshotFailed, match=r"not name a document of shop\.c"):
            list(written(entry))


def test_a_prepared_transaction_is_a_reason_to_fail() -> None:
    entry = bson.raw_bson.RawBSONDocument(bson.encode({"op": "c", "o": {"commitTransaction": 1}}))
    with pytest.raises(SnapshotFailed, match="prepared transaction"):
        list(written(entry))
