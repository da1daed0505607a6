"""Who may use the repository at the same time, by locks of real files."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from telamon.errors import ConfigurationError, Unavailable
from telamon.server.locks import (
    Check,
    FleetRepositoryLock,
    RepositoryAccess,
    RepositoryLock,
    process_lock,
)
from tests.databases import PostgresMaker

HOLDER = """
import sys
from pathlib import Path
from telamon.server.locks import RepositoryLock
with RepositoryLock(Path(sys.argv[1])).alone():
    print("held", flush=True)
    sys.stdin.read()
"""


MakeLock = Callable[[], RepositoryAccess]


@pytest.fixture(params=["file", "fleet"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeLock]:
    """As each process has one of its own."""
    if request.param == "file":
        yield lambda: RepositoryLock(tmp_path)
        return
    maker = request.getfixturevalue("postgres")
    assert isinstance(maker, PostgresMaker)
    place = maker.make()
    yield lambda: FleetRepositoryLock(place.address)
    maker.drop(place)


def test_many_share_the_repository(make: MakeLock) -> None:
    lock = make()
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(lock.shared())
        stack.enter_context(lock.shared_at_last())


@pytest.mark.parametrize(("held", "wanted"), [("shared", "alone"), ("alone", "alone")])
def test_who_wants_it_alone_is_told_that_others_use_it(
    make: MakeLock, held: str, wanted: str
) -> None:
    first: AbstractContextManager[Check] = getattr(make(), held)()
    second: AbstractContextManager[Check] = getattr(make(), wanted)()

    with first, pytest.raises(Unavailable, match="The repository is in use"), second:
        pass


def test_who_wants_to_share_it_is_told_that_it_is_pruned(make: MakeLock) -> None:
    with (
        make().alone(),
        pytest.raises(Unavailable, match="is being pruned"),
        make().shared(),
    ):
        pass


def test_it_is_free_after_its_holder(make: MakeLock) -> None:
    lock = make()
    with lock.shared() as check:
        check()
    with lock.alone():
        pass
    with lock.shared():
        pass


@pytest.mark.parametrize("wanted", ["alone", "shared", "shared_at_last"])
def test_it_is_waited_for(make: MakeLock, wanted: str) -> None:
    lock = make()
    order: list[str] = []
    options = {} if wanted == "shared_at_last" else {"wait_seconds": 60.0}

    def wait() -> None:
        with getattr(lock, wanted)(**options):
            order.append("second")

    waiting = threading.Thread(target=wait)
    with lock.alone():
        waiting.start()
        order.append("first")
    waiting.join(60)

    assert order == ["first", "second"]


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Unavailable), RepositoryLock(tmp_path).shared():
            pass
        holder.kill()
        holder.wait(60)

        with RepositoryLock(tmp_path).alone():
            pass


def test_a_data_directory_has_one_process_of_a_kind(tmp_path: Path) -> None:
    with (
        process_lock(tmp_path, "worker"),
        process_lock(tmp_path, "serve"),
        pytest.raises(ConfigurationError, match="which another telamon worker is using"),
        process_lock(tmp_path, "worker"),
    ):
        pass


def test_a_data_directory_that_cannot_be_written_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(ConfigurationError, match="cannot be written: Not a directory"),
        RepositoryLock(tmp_path / "file").shared(),
    ):
        pass
