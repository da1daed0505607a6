"""``telamon retention``: the plan of a dry run, and what is asked for without."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from telamon.state import snapshots
from telamon.state.database import Database
from tests.cli.conftest import Ended, Here, Shell
from tests.state.samples import (
    INSTANCE,
    NOW,
    insert_instance,
    insert_snapshot,
    manifest,
    open_database,
)

OLD, NEW = "a" * 24, "b" * 24
Run = Callable[..., Ended]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Of an instance with two good snapshots whose time has been over for long."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "master.key").write_bytes(bytes(32))
    (folder / "master.key").chmod(0o600)
    with closing(open_database(folder / "telamon.db")) as db:
        insert_instance(db)
        for number, snapshot_id in enumerate((OLD, NEW)):
            insert_snapshot(db, id=snapshot_id, requested_at=NOW + timedelta(days=number))
            _complete(db, snapshot_id)
    return folder


def _complete(db: Database, snapshot_id: str) -> None:
    db.transact(lambda tx: snapshots.complete(tx, manifest(snapshot_id), new_bytes=1, at=NOW))


@pytest.fixture
def run(here: Here, data_dir: Path) -> Run:
    shell = Shell(data_dir.parent)
    return lambda *words: here(shell, "retention", "--data-dir", str(data_dir), *words)


def shown(data_dir: Path) -> list[str]:
    with closing(Database.sqlite(data_dir / "telamon.db")) as db:
        return [one.id for one in db.look(lambda tx: snapshots.visible(tx, INSTANCE))]


def test_a_dry_run_tells_of_each_snapshot_what_would_become_of_it_and_why(
    run: Run, data_dir: Path
) -> None:
    ended = run("--dry-run")

    lines = [line.split("  ") for line in ended.out.splitlines()]
    assert (ended.exit_code, ended.err) == (0, "")
    assert [(line[0], line[1], line[4], line[5]) for line in lines] == [
        ("delete", OLD, "Instance0", "its time is over"),
        ("keep", NEW, "Instance0", "it is the newest good one of its instance"),
    ]
    assert shown(data_dir) == [OLD, NEW]


def test_a_dry_run_as_json_has_the_same(run: Run, data_dir: Path) -> None:
    found = json.loads(run("--dry-run", "--json").out)["snapshots"]

    assert [(one["verdict"], one["snapshotId"]) for one in found] == [
        ("delete", OLD),
        ("keep", NEW),
    ]
    assert found[0]["expiresAt"] == "2026-02-26T12:30:00Z"
    assert shown(data_dir) == [OLD, NEW]


def test_without_it_they_are_asked_to_go(run: Run, data_dir: Path) -> None:
    first, second = run(), run("--json")

    assert first.out == "1 snapshot will be deleted by the worker\n"
    assert json.loads(second.out) == {"deleted": []}
    assert shown(data_dir) == [NEW]
