"""Indexes of a restore: those that expire come last, and those that fail are skipped where that is asked for."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count as counter
from typing import Any

import bson
import pytest

from telamon.errors import RestoreFailed
from telamon.model.restore_evidence import NamespaceEvidence
from telamon.model.restore_options import IndexFailures
from telamon.mongo import indexes
from telamon.mongo.connect import Client
from telamon.mongo.swap import Step, Swap
from tests.conftest import Mongod, drop_user_databases
from tests.mongo import zoo
from tests.mongo.memory import Memory, content, take
from tests.mongo.trouble import Crash, crash_at, fill_target, shadows

PLAIN = {"v": 2, "key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 0}
UNIQUE = {"v": 2, "unique": True, "key": {"at": -1}, "name": "at_-1", "expireAfterSeconds": 0}
HASHED = {"v": 2, "key": {"n": "hashed"}, "name": "n_hashed", "expireAfterSeconds": 0}
GOOD = {"v": 2, "key": {"n": 1}, "name": "n_1"}
DUPLICATE = {"v": 2, "unique": True, "key": {"same": 1}, "name": "one of each"}
NO_SUCH_KIND = {"v": 2, "key": {"n": "nothing"}, "name": "n_nothing"}


def visits(client: Client, *, same_moment: bool = False) -> None:
    """Documents that are long expired, by any index on their moment."""
    client.shop.visits.insert_many(
        {"_id": n, "n": n, "same": 1, "at": zoo.DAY.replace(minute=0 if same_moment else n)}
        for n in range(10)
    )


def taken(client: Client, *wanted: dict[str, Any]) -> Memory:
    """A snapshot of ``visits`` as if it had had the indexes."""
    memory = take(client)
    (spec,) = memory.facts.collections
    spec = replace(spec, indexes=(*spec.indexes, *map(bson.encode, wanted)))
    memory.facts = replace(memory.facts, collections=(spec,))
    return memory


def listed(client: Client, name: str) -> dict[str, dict[str, Any]]:
    return {index["name"]: dict(index) for index in client.shop[name].list_indexes()}


def test_while_documents_are_loaded_nothing_lets_the_server_delete_them(
    source: Mongod, target: Mongod
) -> None:
    visits(source.client)
    memory = taken(source.client, PLAIN, UNIQUE, GOOD, HASHED)

    memory.restore(target.client).load()

    (shadow,) = shadows(target.client)
    there = listed(target.client, shadow)
    assert [name for name, index in there.items() if "expireAfterSeconds" in index] == []
    # What documents could be in the way of has been built, to fail now or never.
    assert set(there) == {"_id_", "n_1", "at_-1", "n_hashed"}


def test_after_the_swap_all_indexes_are_as_they_were(source: Mongod, target: Mongod) -> None:
    visits(source.client)
    memory = taken(source.client, PLAIN, UNIQUE, GOOD, HASHED)
    job = memory.restore(target.client)

    job.load()
    job.swap()

    there = listed(target.client, "visits")
    for wanted in (PLAIN, UNIQUE, GOOD, HASHED):
        assert there[str(wanted["name"])] == wanted


@pytest.fixture
def clustered(source: Mongod) -> Memory:
    """A collection and a time series that have a time to live of their own, and indexes."""
    key = {"key": {"_id": 1}, "unique": True}
    source.client.shop.create_collection("c", clusteredIndex=key, expireAfterSeconds=10**9)
    source.client.shop.c.insert_one({"_id": zoo.DAY, "at": zoo.DAY})
    source.client.shop.c.create_index("at", expireAfterSeconds=10**9)
    series = {"timeField": "t"}
    source.client.shop.create_collection("s", timeseries=series, expireAfterSeconds=10**9)
    source.client.shop.s.insert_one({"_id": 1, "t": zoo.DAY})
    return take(source.client)


def test_the_time_to_live_of_a_collection_itself_comes_last_too(
    clustered: Memory, source: Mongod, target: Mongod
) -> None:
    job = clustered.restore(target.client)

    job.load()
    (shadow,) = shadows(target.client)
    assert "expireAfterSeconds" not in target.client.shop[shadow].options()
    job.swap()

    assert content(target.client) == content(source.client)


def test_a_swap_that_crashes_around_such_an_index_can_be_run_again(
    source: Mongod, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each step, and between the end of the plain index and the real one."""
    visits(source.client)
    memory = taken(source.client, PLAIN, UNIQUE, GOOD)
    expected = None
    for at in counter():
        drop_user_databases(target.client)
        memory.restore(target.client).load()
        with monkeypatch.context() as patch:
            moments = crash_at(at)
            patch.setattr(indexes, "_attempt", with_a_moment_before(moments))
            patch.setattr(Swap, "steps", stepwise(moments))
            try:
                memory.restore(target.client).swap()
            except Crash:
                pass
            else:
                expected = content(target.client)
                break
        memory.restore(target.client).swap()
        there = listed(target.client, "visits")
        assert [name for name in there if "expireAfterSeconds" in there[name]] == ["at_1", "at_-1"]
    assert expected is not None
    assert at == 5


def with_a_moment_before(moments: Callable[[Callable[[], None]], Callable[[], None]]) -> Any:
    attempt = indexes._attempt
    moment = moments(lambda: None)

    def attempted(*arguments: Any, **options: Any) -> Any:
        moment()
        return attempt(*arguments, **options)

    return attempted


def stepwise(moments: Callable[[Step], Step]) -> Callable[[Swap], list[Step]]:
    all_steps = Swap.steps
    return lambda swap: [moments(step) for step in all_steps(swap)]


# Those that fail


@pytest.mark.parametrize("wanted", [DUPLICATE, NO_SUCH_KIND])
def test_an_index_that_fails_is_skipped_where_that_is_asked_for(
    source: Mongod, target: Mongod, wanted: dict[str, Any]
) -> None:
    visits(source.client)
    expected = content(source.client)
    memory = taken(source.client, wanted, GOOD)
    found = list[NamespaceEvidence]()
    job = memory.restore(target.client, evidence=found.append, index_failures=IndexFailures.SKIP)

    job.load()
    job.swap()

    (evidence,) = found
    assert (evidence.indexes, len(evidence.skipped_indexes)) == (2, 1)
    (skipped,) = evidence.skipped_indexes
    assert skipped.name == wanted["name"]
    assert f'"name": "{wanted["name"]}"' in skipped.definition
    assert skipped.reason.partition("(code ")[2]
    assert set(listed(target.client, "visits")) == {"_id_", "n_1"}
    assert {
        name: value for name, value in content(target.client).items() if "indexes" not in name
    } == {name: value for name, value in expected.items() if "indexes" not in name}


def test_several_that_fail_are_skipped_each_with_its_reason(source: Mongod, target: Mongod) -> None:
    visits(source.client, same_moment=True)
    memory = taken(source.client, UNIQUE, DUPLICATE, GOOD, NO_SUCH_KIND, PLAIN)
    found = list[NamespaceEvidence]()
    arguments: dict[str, Any] = {"index_failures": IndexFailures.SKIP}

    memory.restore(target.client, evidence=found.append, **arguments).load()
    memory.restore(target.client, **arguments).swap()  # as another worker

    reasons = {index.name: index.reason for index in found[0].skipped_indexes}
    assert set(reasons) == {"at_-1", "one of each", "n_nothing"}
    assert "E11000" in reasons["at_-1"]
    assert set(listed(target.client, "visits")) == {"_id_", "n_1", "at_1"}


def test_one_that_would_fail_in_the_swap_fails_the_load(source: Mongod, target: Mongod) -> None:
    visits(source.client, same_moment=True)
    memory = taken(source.client, UNIQUE)
    fill_target(target.client)
    before = content(target.client)
    job = memory.restore(target.client)

    with pytest.raises(RestoreFailed, match=r'"name": "at_-1".*"expireAfterSeconds": 0.*E11000'):
        job.load()
    job.discard()

    assert content(target.client) == before


def test_a_definition_that_no_document_is_needed_to_refuse_fails_the_load(
    source: Mongod, target: Mongod
) -> None:
    visits(source.client)
    endless = {"v": 2, "key": {"at": 1, "n": 1}, "name": "at_1_n_1", "expireAfterSeconds": 0}
    memory = taken(source.client, endless)

    with pytest.raises(RestoreFailed, match=r'shop\.visits could not be built: .*"at_1_n_1"'):
        memory.restore(target.client).load()


def test_what_is_no_fault_of_an_index_is_never_skipped(
    source: Mongod, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits(source.client)
    memory = taken(source.client, GOOD)
    full = (14031, "no space left (code 14031)")
    monkeypatch.setattr(indexes, "_attempt", lambda *_, **__: full)

    with pytest.raises(RestoreFailed, match="no space left"):
        memory.restore(target.client, index_failures=IndexFailures.SKIP).load()
