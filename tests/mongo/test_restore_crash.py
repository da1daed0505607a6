"""Restores whose process or server ends early: they can be run again, and nothing is lost by it."""

import time
from collections.abc import Callable, Iterator
from itertools import count as counter
from typing import Any

import pytest

from telamon.errors import DeploymentUnavailable, RestoreFailed, TelamonError
from telamon.model.manifest import StoredCollection
from telamon.mongo.connect import Client, open_client
from telamon.mongo.journal import Journal
from telamon.mongo.swap import Step, Swap
from tests.conftest import Mongod, drop_user_databases
from tests.mongo.memory import Memory, content, ignore, restore_all
from tests.mongo.trouble import Crash, await_answer, crash_at, fill_target, kill, start


def test_a_load_that_crashes_anywhere_can_be_run_again(
    memory: Memory, expected: dict[str, Any], target: Mongod
) -> None:
    """At each document and each sign of progress; the target stays as it was until the swap."""
    for at in counter():
        fill_target(target.client)
        before = content(target.client)
        moments = crash_at(at)
        job = memory.restore(
            target.client, documents=moments(memory.open), progress=moments(ignore), parallel=1
        )
        try:
            job.load()
        except Crash:
            memory.restore(target.client).discard()
            assert content(target.client) == before
        else:
            break
        restore_all(memory, target.client)
        assert content(target.client) == expected
        drop_user_databases(target.client)
    # The documents of three collections with a shadow and of two without, progress of two, and the
    # ends of three.
    assert at == 10


def test_a_swap_that_crashes_before_any_step_can_be_run_again(
    memory: Memory, expected: dict[str, Any], target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in counter():
        drop_user_databases(target.client)
        fill_target(target.client)
        memory.restore(target.client).load()
        with monkeypatch.context() as patch:
            patch.setattr(Swap, "steps", crashing_steps(at))
            try:
                memory.restore(target.client).swap()
            except Crash:
                pass
            else:
                break
        finish(memory, target.client)
        assert content(target.client) == expected
    assert at == 9


def finish(memory: Memory, client: Client) -> None:
    """As another process would after a crash."""
    memory.restore(client).swap()


def crashing_steps(at: int) -> Callable[[Swap], list[Step]]:
    """The steps of a swap, with a crash in front of the one numbered ``at``."""
    all_steps = Swap.steps

    def crash() -> None:
        raise Crash

    def steps(swap: Swap) -> list[Step]:
        found = all_steps(swap)
        return [*found[:at], crash, *found[at:]] if at < len(found) else found

    return steps


@pytest.mark.parametrize("method", ["settle", "mark"])
def test_a_swap_that_crashes_near_its_end_can_be_run_again(
    memory: Memory,
    expected: dict[str, Any],
    target: Mongod,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    memory.restore(target.client).load()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, method, crash_at(0)(ignore))
        with pytest.raises(Crash):
            memory.restore(target.client).swap()

    finish(memory, target.client)

    assert content(target.client) == expected


@pytest.mark.parametrize("crashes", [1, 2])
def test_a_swap_that_crashes_within_a_time_series_can_be_run_again(
    memory: Memory, expected: dict[str, Any], target: Mongod, crashes: int
) -> None:
    """Time series are the one thing that is filled in place."""
    memory.restore(target.client).load()
    moments = crash_at(crashes)
    job = memory.restore(target.client, documents=moments(memory.open), progress=moments(ignore))
    with pytest.raises(Crash):
        job.swap()

    finish(memory, target.client)

    assert content(target.client) == expected


# Servers that end early


def test_a_server_killed_during_the_load_is_unavailable_and_unharmed(
    memory: Memory, expected: dict[str, Any], own_mongod: Mongod
) -> None:
    fill_target(own_mongod.client)
    before = content(own_mongod.client)

    def fatal(stored: StoredCollection) -> Iterator[bytes]:
        kill(own_mongod)
        return memory.open(stored)

    began = time.monotonic()
    with open_client(own_mongod.uri, selection_seconds=2) as client:
        with pytest.raises(DeploymentUnavailable):
            memory.restore(client, documents=fatal, parallel=1).load()
        assert time.monotonic() - began < 15

        start(own_mongod)
        memory.restore(client).discard()
        assert content(client) == before
        restore_all(memory, client)
        assert content(client) == expected


def test_a_server_killed_during_the_swap_can_be_swapped_after_its_restart(
    memory: Memory, expected: dict[str, Any], own_mongod: Mongod
) -> None:
    fill_target(own_mongod.client)

    def fatal(stored: StoredCollection) -> Iterator[bytes]:
        kill(own_mongod)
        return memory.open(stored)

    with open_client(own_mongod.uri, selection_seconds=2) as client:
        memory.restore(client).load()
        with pytest.raises(DeploymentUnavailable):
            memory.restore(client, documents=fatal).swap()

        start(own_mongod)
        finish(memory, client)
        assert content(client) == expected


def test_a_restart_that_no_write_noticed_fails_the_load(memory: Memory, own_mongod: Mongod) -> None:
    """Writes that were acknowledged from memory may be lost by it."""
    restarts = iter([True])

    def restart(stored: StoredCollection) -> Iterator[bytes]:
        if next(restarts, False):
            own_mongod.process.stop()
            start(own_mongod)
            await_answer(client)
        return memory.open(stored)

    with open_client(own_mongod.uri) as client:
        with pytest.raises(RestoreFailed, match="restarted or changed its primary"):
            memory.restore(client, documents=restart, parallel=1).load()

        with pytest.raises(RestoreFailed, match="load of this restore is not complete"):
            memory.restore(client).swap()


def test_a_message_never_carries_the_uri(memory: Memory, own_mongod: Mongod) -> None:
    with open_client(own_mongod.uri, selection_seconds=0.1) as client:
        job = memory.restore(client)
        kill(own_mongod)

        with pytest.raises(TelamonError) as caught:
            job.load()

    assert "mongodb://" not in caught.value.message
    assert "secret" not in caught.value.message
