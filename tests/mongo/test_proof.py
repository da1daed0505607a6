"""A restored deployment compared with what its snapshot has."""

import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from bson.int64 import Int64

from telamon.errors import DeploymentUnavailable, DrillFailed, Unavailable
from telamon.mongo.connect import Client, open_client
from telamon.mongo.content_sum import ContentSum
from telamon.mongo.process import MongodProcess
from telamon.mongo.proof import Expected, Proof, Proving
from telamon.mongo.throwaway import Throwaways, can_hold
from tests.conftest import Mongod, drop_user_databases
from tests.mongo import zoo
from tests.mongo.memory import Memory, restore_all, take

NAME = "65f0000000000000000000f7"
ROOM = 1000


@pytest.fixture(scope="module")
def throwaways(mongod_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Throwaways:
    return Throwaways(mongod_program, tmp_path_factory.mktemp("drills") / "root")


@pytest.fixture(scope="module")
def thrown(throwaways: Throwaways) -> Iterator[Client]:
    """A throwaway mongod; each test restores into it what it needs."""
    with open_client(throwaways.start(NAME, size_bytes=ROOM)) as client:
        yield client
    throwaways.remove_all()


def expected_of(memory: Memory) -> list[Expected]:
    def expected(stored: Any) -> Expected:
        content = ContentSum()
        for piece in memory.pieces(stored.spec):
            content.add(piece)
        return Expected(
            spec=stored.spec,
            documents=stored.documents,
            size_bytes=stored.size_bytes,
            content_hash=content.hexdigest,
        )

    return [expected(stored) for stored in memory.collections]


def prove(client: Client, expected: list[Expected]) -> dict[str, Proof]:
    proving = Proving(client, confirm=lambda: None)
    return {str(each.spec.namespace): proof for each, proof in proving.prove(expected)}


def differences(found: dict[str, Proof]) -> dict[str, str]:
    return {name: proof.difference for name, proof in found.items() if proof.difference}


def test_the_whole_zoo_is_found_again(source: Mongod, thrown: Client) -> None:
    zoo.fill(source.client)
    memory = take(source.client)
    restore_all(memory, thrown)

    found = prove(thrown, expected_of(memory))

    assert differences(found) == {}
    assert len(found) == len(memory.collections)
    series = found["series.measured"]
    assert (series.documents > 0, series.indexes) == (True, 4)
    assert (found["kinds.view"].documents, found["kinds.view"].remark) == (0, None)


Meddle = Callable[[Any], Any]

# What somebody does to a collection of that name, and what is then said of it.
MEDDLED: dict[str, tuple[Meddle, str]] = {
    "fewer": (
        lambda shop: shop.fewer.delete_one({"_id": 7}),
        "49 documents are counted and not 50",
    ),
    "other": (
        lambda shop: shop.other.update_one({"_id": 7}, {"$set": {"n": 8}}),
        "its documents are not those of the snapshot",
    ),
    "longer": (
        lambda shop: shop.longer.update_one({"_id": 7}, {"$set": {"n": Int64(7)}}),
        "1054 bytes of documents are read and not 1050",
    ),
    "unindexed": (
        lambda shop: shop.unindexed.drop_index("by n"),
        "its indexes differ in by n",
    ),
    "indexed": (lambda shop: shop.indexed.create_index("m"), "its indexes differ in m_1"),
    "hidden": (
        lambda shop: shop.command("collMod", "hidden", index={"name": "by n", "hidden": True}),
        "its indexes differ in by n",
    ),
    "validated": (
        lambda shop: shop.command("collMod", "validated", validator={}),
        "its options differ in validationAction, validationLevel, validator",
    ),
    "view": (
        lambda shop: shop.command("collMod", "view", viewOn="kept", pipeline=[]),
        "its options differ in pipeline",
    ),
    "dropped": (lambda shop: shop.dropped.drop(), "it is missing"),
    "open": (
        lambda shop: (shop.open.drop(), shop.create_collection("open")),
        "it is a collection and not a view",
    ),
}
VIEWS = ("view", "open")


@pytest.fixture(scope="module")
def small(shared_mongod: Mongod, thrown: Client) -> list[Expected]:
    """What a small deployment has, restored."""
    drop_user_databases(thrown)
    drop_user_databases(shared_mongod.client)
    shop = shared_mongod.client["shop"]
    shop.create_collection("validated", validator={"n": {"$type": "int"}})
    for name in {*MEDDLED, "kept"} - {*VIEWS}:
        shop[name].insert_many([{"_id": number, "n": number} for number in range(50)])
        shop[name].create_index("n", name="by n")
    for name in VIEWS:
        shop.command({"create": name, "viewOn": "kept", "pipeline": [{"$limit": 1}]})
    memory = take(shared_mongod.client)
    restore_all(memory, thrown)
    return expected_of(memory)


def test_what_differs_is_named(small: list[Expected], thrown: Client) -> None:
    assert differences(prove(thrown, small)) == {}
    for meddle, _ in MEDDLED.values():
        meddle(thrown["shop"])

    found = differences(prove(thrown, small))

    assert found == {f"shop.{name}": said for name, (_, said) in MEDDLED.items()}


def test_what_the_snapshot_does_not_have_is_named(small: list[Expected], thrown: Client) -> None:
    thrown["more"]["things"].insert_one({})

    with pytest.raises(DrillFailed, match=r"no more\.things, but"):
        prove(thrown, small)


def test_a_view_that_cannot_be_queried_is_a_remark(source: Mongod, thrown: Client) -> None:
    """It could not be queried at home either."""
    drop_user_databases(thrown)
    source.client["shop"]["orders"].insert_one({"n": "no number"})
    source.client["shop"].command(
        {"create": "sums", "viewOn": "orders", "pipeline": [{"$set": {"n": {"$add": ["$n", 1]}}}]}
    )
    memory = take(source.client)
    restore_all(memory, thrown)

    found = prove(thrown, expected_of(memory))

    assert differences(found) == {}
    assert (found["shop.sums"].remark or "").startswith("it cannot be queried: ")


def test_documents_whose_time_is_over_are_not_deleted(thrown: Client) -> None:
    assert (
        thrown.admin.command("getParameter", 1, ttlMonitorEnabled=1)["ttlMonitorEnabled"] is False
    )


def test_nobody_comes_in_without_the_password(thrown: Client) -> None:
    host, port = thrown.address or ("", 0)

    assert host == "127.0.0.1"
    with (
        open_client(f"mongodb://127.0.0.1:{port}/") as stranger,
        pytest.raises(Exception, match="13"),
    ):
        stranger.list_database_names()


def test_its_directory_is_its_owners(thrown: Client, throwaways: Throwaways) -> None:
    del thrown
    root = throwaways._root

    assert [path.stat().st_mode & 0o777 for path in (root, root / NAME)] == [0o700, 0o700]


# Those that another process left


def test_what_a_killed_process_left_is_ended_and_deleted(
    mongod_program: Path, tmp_path: Path
) -> None:
    left = MongodProcess(mongod_program, tmp_path / NAME)
    killed = Throwaways(mongod_program, tmp_path)
    killed.start(NAME, size_bytes=ROOM)
    (tmp_path / "of another").mkdir()
    pid = left.pid
    assert pid is not None
    (tmp_path / NAME / "db" / "mongod.lock").unlink()  # as before it has written it

    Throwaways(None, tmp_path).remove_all()

    assert list(tmp_path.iterdir()) == []
    assert left.pid is None
    killed.remove(NAME)  # its own child is still to be waited for
    assert not Path(f"/proc/{pid}").exists()


def test_nothing_that_is_left_is_nothing_to_do(tmp_path: Path) -> None:
    throwaways = Throwaways(None, tmp_path / "drills")

    throwaways.remove_all()
    throwaways.remove(NAME)


def test_after_its_end_none_is_started(mongod_program: Path, tmp_path: Path) -> None:
    (tmp_path / NAME / "db").mkdir(parents=True)
    throwaways = Throwaways(mongod_program, tmp_path)

    throwaways.close()

    with pytest.raises(Unavailable, match="stops"):
        throwaways.start(NAME, size_bytes=ROOM)
    assert list(tmp_path.iterdir()) == []


def test_one_that_does_not_get_ready_holds_up_no_close(tmp_path: Path) -> None:
    program = tmp_path / "mongod"
    program.write_text(
        f"#!{sys.executable}\nimport signal, pathlib\n"
        f"pathlib.Path('{tmp_path}/runs').touch()\nsignal.pause()\n"
    )
    program.chmod(0o700)
    throwaways = Throwaways(program, tmp_path / "drills")
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(throwaways.start, NAME, size_bytes=ROOM)
        while not (tmp_path / "runs").exists():
            assert not starting.done(), starting.exception()
        throwaways.close()

        with pytest.raises(DeploymentUnavailable, match=r"mongod in .* ended"):
            starting.result()
    assert list((tmp_path / "drills").iterdir()) == []


def test_without_a_mongod_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(DrillFailed, match="has no mongod"):
        Throwaways(None, tmp_path).start(NAME, size_bytes=0)
    assert list(tmp_path.iterdir()) == []


def test_without_room_none_is_started(
    mongod_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 10_000_000

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Full)

    with pytest.raises(DrillFailed, match="has 10000000 left"):
        Throwaways(mongod_program, tmp_path).start(NAME, size_bytes=ROOM)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("needed", "version", "is_enough"),
    [
        ("6.0", "6.0.5", True),
        ("5.0", "6.0.5", True),
        ("6.1", "6.0.5", False),
        ("10.0", "9.3.1", False),
        ("7.0", "7.0.0-rc1", True),
        ("", "4.4.0", True),
    ],
)
def test_which_mongod_can_hold_which_snapshot(needed: str, version: str, is_enough: bool) -> None:
    assert can_hold(version, needed) is is_enough
