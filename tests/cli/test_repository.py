"""``telamon repository``: what the commands do, print, and end with."""

import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from telamon.blobs.local import LocalBlobStore
from telamon.ids import is_id
from telamon.model.manifest import Manifest
from telamon.model.snapshot import SnapshotStatus
from telamon.repository.keys import RepositorySecret
from telamon.repository.repository import Repository
from telamon.repository.secret_files import read_secret
from telamon.server.locks import RepositoryLock
from tests.cli.conftest import Ended, Here, Shell
from tests.repository.samples import FIRST, SECOND, flip, noise, orders, read, take
from tests.state.samples import insert_instance, insert_snapshot, open_database

CLEAN = "2 snapshots, 2 packs, "
PASSPHRASE = ("--passphrase-file", "passphrase")
KEY_FILE = ("--key-file", "key")
COMMANDS = [("check",), ("prune",), ("prune", "--dry-run"), ("stats",)]


@dataclass(frozen=True)
class Place:
    """A data directory with a repository of two snapshots, and how commands open it."""

    here: Here
    shell: Shell
    options: tuple[str, ...]

    @property
    def data_dir(self) -> Path:
        return self.shell.folder / "data"

    @property
    def store(self) -> LocalBlobStore:
        return LocalBlobStore(self.data_dir / "repository")

    @property
    def secret(self) -> RepositorySecret | None:
        if not self.options:
            return None
        return read_secret(key_file=Path(self.options[1]))

    def open(self) -> Repository:
        return Repository.open(self.store, self.secret)

    def run(self, *words: str) -> Ended:
        command = ("repository", *words, *self.options, "--data-dir", str(self.data_dir))
        return self.here(self.shell, *command)

    def json(self, *words: str, exit_code: int = 0) -> dict[str, Any]:
        ended = self.run(*words, "--json")
        assert ended.exit_code == exit_code, ended.err
        found: dict[str, Any] = json.loads(ended.out)
        return found

    def pack_of(self, manifest: Manifest, name: str) -> tuple[str, int]:
        """Where a collection's first chunk is: the pack's key, and an offset."""
        repository = self.open()
        repository.index.refresh()
        stored = next(it for it in manifest.collections if it.spec.namespace.name == name)
        location = repository.index.locate(stored.chunks[0].chunk_id)
        return location.pack_key, location.offset

    def harm(self, key: str, position: int) -> None:
        path = self.data_dir / "repository" / key
        path.write_bytes(flip(path.read_bytes(), position, 5))

    def bytes(self) -> int:
        return sum(info.size_bytes for info in self.store.list("packs/"))


@pytest.fixture(params=["plain", "encrypted"])
def place(request: pytest.FixtureRequest, here: Here, shell: Shell) -> Place:
    key = shell.folder / "key"
    options = () if request.param == "plain" else ("--generate-key-file", str(key))
    made = Place(here, shell, options).run("init")
    assert made.exit_code == 0, made.err
    return Place(here, shell, () if request.param == "plain" else ("--key-file", str(key)))


@pytest.fixture
def taken(place: Place) -> tuple[Manifest, Manifest]:
    """The manifests of two snapshots: the second has the first one's orders, and noise."""
    repository = place.open()
    return (
        take(repository, FIRST, {"orders": orders(200)}),
        take(repository, SECOND, {"orders": orders(200), "noise": noise(300)}),
    )


# init


def test_a_repository_is_made_and_says_what_it_is(place: Place) -> None:
    ended = place.run("stats")

    encrypted = "encrypted" if place.options else "not encrypted"
    first = ended.out.splitlines()[0]
    assert first == f"repository {place.open().repository_id}, {encrypted}"


def test_a_repository_is_made_once(place: Place) -> None:
    before = place.open().repository_id

    ended = place.run("init")

    assert (ended.exit_code, ended.out) == (78, "")
    assert ended.err == "telamon: There is a repository here already.\n"
    assert place.open().repository_id == before


def test_no_key_file_is_made_for_a_repository_that_is_there(place: Place, here: Here) -> None:
    key = place.shell.folder / "second"
    words = ("repository", "init", "--data-dir", str(place.data_dir))

    ended = here(place.shell, *words, "--generate-key-file", str(key))

    assert ended.exit_code == 78
    assert not key.exists()


def test_a_generated_key_file_is_its_owners_alone(here: Here, shell: Shell) -> None:
    key = shell.folder / "key"
    words = ("repository", "init", "--data-dir", str(shell.folder / "data"))

    ended = here(shell, *words, "--generate-key-file", str(key))

    assert ended.exit_code == 0
    assert "Keep a copy of the key file elsewhere" in ended.out
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in ended.out


def test_a_key_file_is_not_generated_beside_another_secret(place: Place) -> None:
    words = ("--generate-key-file", "new", "--key-file", "old")

    ended = place.here(place.shell, "repository", "init", "--data-dir", "nowhere", *words)

    assert ended.exit_code == 78
    assert "cannot be read" in ended.err


def test_a_passphrase_opens_what_it_made(
    here: Here, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shell.folder)
    secret = shell.folder / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    assert here(shell, "repository", "init", *PASSPHRASE).exit_code == 0

    assert here(shell, "repository", "check", *PASSPHRASE).exit_code == 0
    secret.write_text("battery staple\n")
    wrong = here(shell, "repository", "check", *PASSPHRASE)
    without = here(shell, "repository", "check")

    assert (wrong.exit_code, wrong.out) == (90, "")
    assert wrong.err.startswith("telamon: The repository cannot be opened with this passphrase.")
    assert (without.exit_code, without.out) == (90, "")
    assert without.err.startswith("telamon: The repository is encrypted: give its passphrase")


def test_a_secret_for_a_repository_that_is_not_encrypted_is_a_wrong_setting(
    here: Here, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shell.folder)
    assert here(shell, "repository", "init").exit_code == 0
    key = shell.folder / "key"
    key.write_text("00" * 32)
    key.chmod(0o600)

    ended = here(shell, "repository", "check", *KEY_FILE)

    assert ended.exit_code == 78
    assert "is not encrypted, but a key file is set for it" in ended.err


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_where_there_is_no_repository_nothing_is_made(
    here: Here, shell: Shell, words: tuple[str, ...]
) -> None:
    data_dir = shell.folder / "mistyped"

    ended = here(shell, "repository", *words, "--data-dir", str(data_dir))

    assert (ended.exit_code, ended.out) == (78, "")
    assert ended.err.startswith("telamon: There is no repository here.")
    assert not data_dir.exists()


# check


def test_a_whole_repository_is_clean(place: Place, taken: object) -> None:
    ended = place.run("check", "--read-data")

    assert (ended.exit_code, ended.err) == (0, "")
    assert ended.out.startswith(CLEAN)
    assert ended.out.endswith("KiB read\n")
    assert ended.out.count("\n") == 1


def test_damage_is_named_with_the_snapshots_that_it_harms(
    place: Place, taken: tuple[Manifest, Manifest]
) -> None:
    key, offset = place.pack_of(taken[1], "noise")
    place.harm(key, offset + 40)

    assert place.run("check").exit_code == 0  # nothing is read
    ended = place.run("check", "--read-data")

    assert ended.exit_code == 90
    assert ended.err == "telamon: The repository is damaged: 2 findings.\n"
    assert f"damage: Pack {key} is damaged" in ended.out
    assert f"    snapshot {SECOND} cannot be restored whole\n" in ended.out
    assert FIRST not in ended.out
    assert "1 snapshot harmed; nothing was found against any other" in ended.out
    assert read(place.open(), FIRST) == {"orders": b"".join(orders(200))}


def test_damage_is_told_to_programs(place: Place, taken: tuple[Manifest, Manifest]) -> None:
    key = f"snapshots/{FIRST}"
    place.harm(key, -1)

    report = place.json("check", exit_code=90)

    assert sorted(report) == [
        "chunks",
        "findings",
        "notes",
        "oplogSlices",
        "packs",
        "readBytes",
        "snapshots",
        "unneededChunks",
    ]
    assert report["snapshots"] == 1
    (found,) = report["findings"]
    assert (found["part"], found["name"], found["snapshots"]) == ("manifest", key, [FIRST])
    assert f"snapshot {FIRST} is damaged" in found["harm"]


@pytest.mark.parametrize(("percent", "packs"), [("0", 0), ("1", 1), ("100", 2)])
def test_so_much_of_the_packs_is_read(
    place: Place, taken: object, percent: str, packs: int
) -> None:
    sizes = [info.size_bytes for info in place.store.list("packs/")]
    reads = {0: {0}, 1: set(sizes), 2: {sum(sizes)}}[packs]

    assert place.json("check", "--read-data-percent", percent)["readBytes"] in reads


@pytest.mark.parametrize("percent", ["-1", "101", "half"])
def test_a_part_of_the_packs_is_between_nothing_and_all(place: Place, percent: str) -> None:
    assert place.run("check", "--read-data-percent", percent).exit_code == 2


def test_a_long_list_of_damage_is_cut_short_for_people(place: Place) -> None:
    contents = {f"part{number}": orders(5, start=100 * number) for number in range(30)}
    take(place.open(), FIRST, contents)
    (pack,) = place.store.list("packs/")
    place.store.delete(pack.key)

    report = place.json("check", exit_code=90)
    lines = place.run("check").out.splitlines()

    assert len(report["findings"]) == 30
    assert sum(line.startswith("damage: ") for line in lines) == 20
    assert lines[-2] == "10 more findings; --json has all"
    assert lines[-1] == "1 snapshot harmed; nothing was found against any other"


def test_a_snapshot_that_only_the_catalogue_knows_is_missing(place: Place, taken: object) -> None:
    lost = "65f0000000000000000000a9"
    with closing(open_database(place.data_dir / "telamon.db")) as db:
        insert_instance(db)
        insert_snapshot(db, id=FIRST, status=SnapshotStatus.COMPLETED)
        insert_snapshot(db, id=lost, status=SnapshotStatus.COMPLETED)
        insert_snapshot(db, id=f"{lost[:-1]}8", status=SnapshotStatus.FAILED)

    assert [found["name"] for found in place.json("check", exit_code=90)["findings"]] == [
        f"snapshots/{lost}"
    ]


def test_a_database_that_does_not_work_is_no_obstacle(place: Place, taken: object) -> None:
    (place.data_dir / "telamon.db").write_bytes(b"anything but a database" * 100)

    ended = place.run("check")

    assert ended.exit_code == 0
    assert ended.out.startswith(CLEAN)
    assert ended.err == (
        "telamon: the catalogue is not compared: "
        "The database in TELAMON_DATA_DIR cannot be used: file is not a database.\n"
    )


def test_what_is_no_part_of_a_repository_is_no_damage(place: Place, taken: object) -> None:
    (place.data_dir / "repository" / "notes.txt").write_text("mine")

    ended = place.run("check")

    assert ended.exit_code == 0
    assert "note: notes.txt is no part of a repository." in ended.out


# prune


def test_a_plan_frees_nothing_and_the_prune_what_was_planned(
    place: Place, taken: tuple[Manifest, Manifest]
) -> None:
    place.open().delete_snapshot(SECOND)
    before = place.bytes()

    planned = place.json("prune", "--dry-run")
    shown = place.run("prune", "--dry-run")
    assert place.bytes() == before
    done = place.json("prune")

    noise_pack = next(it for it in planned["packs"] if it["action"] == "delete")
    assert noise_pack["reason"] == "nothing in it is needed"
    assert f"    {noise_pack['key']}: nothing in it is needed\n" in shown.out
    assert before - place.bytes() == planned["plannedFreedBytes"] == done["result"]["freedBytes"]
    assert done["result"]["deleted"] == [noise_pack["key"]]
    assert read(place.open(), FIRST) == {"orders": b"".join(orders(200))}
    assert place.run("check", "--read-data").exit_code == 0


def test_a_prune_says_what_it_did(place: Place, taken: object) -> None:
    place.open().delete_snapshot(FIRST)
    place.open().delete_snapshot(SECOND)
    size = place.bytes()

    ended = place.run("prune")

    assert (ended.exit_code, ended.err) == (0, "")
    assert ended.out == f"2 packs deleted, 0 B packed again, {size / 1024:.1f} KiB freed\n"
    assert place.bytes() == 0
    assert place.run("prune").out == "0 packs deleted, 0 B packed again, 0 B freed\n"


def test_with_a_manifest_that_cannot_be_read_nothing_is_pruned(place: Place, taken: object) -> None:
    place.open().delete_snapshot(FIRST)
    place.harm(f"snapshots/{SECOND}", -1)
    before = place.bytes()

    ended = place.run("prune")

    assert (ended.exit_code, ended.out) == (90, "")
    assert f"snapshot {SECOND} is damaged" in ended.err
    assert "so nothing is pruned" in ended.err
    assert place.bytes() == before


def test_a_prune_does_not_start_beside_a_job(place: Place, taken: object) -> None:
    place.open().delete_snapshot(SECOND)
    before = place.bytes()
    with RepositoryLock(place.data_dir).shared():
        ended = place.run("prune")
        assert place.run("prune", "--dry-run").exit_code == 0
        assert place.run("check").exit_code == 0

    assert (ended.exit_code, ended.out) == (75, "")
    assert ended.err == (
        "telamon: The repository is in use by a snapshot, a restore or another telamon repository "
        "command; try again when that is done, or give --wait-seconds.\n"
    )
    assert place.bytes() == before


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_nothing_starts_beside_a_prune(place: Place, words: tuple[str, ...]) -> None:
    with RepositoryLock(place.data_dir).alone():
        ended = place.run(*words)

    assert (ended.exit_code, ended.out) == (75, "")
    assert ended.err.count("\n") == 1


# stats


def test_stats_are_told_to_programs(place: Place, taken: tuple[Manifest, Manifest]) -> None:
    found = place.json("stats")

    first, second = found["snapshots"]
    assert found["encrypted"] is (place.options != ())
    assert (found["packs"], found["packBytes"]) == (2, place.bytes())
    assert found["unusedBytes"] == 0
    assert found["logicalBytes"] == sum(manifest.size_bytes for manifest in taken)
    assert (first["documents"], second["documents"]) == (200, 500)
    assert second["deduplicatedBytes"] == taken[0].size_bytes
    assert first["uniqueBytes"] == 0
    assert second["uniqueBytes"] == second["storedBytes"] - first["storedBytes"] > 0


def test_stats_are_told_to_people(place: Place, taken: object) -> None:
    lines = place.run("stats").out.splitlines()

    assert lines[1].startswith("2 packs, ")
    assert lines[2].startswith(f"{FIRST}  2026-01-22T12:30:00+00:00  Instance0  200 documents  ")
    assert lines[3].startswith(f"{SECOND}  2026-01-22T12:30:00+00:00  Instance0  500 documents  ")
    assert len(lines) == 4


# change-key


def test_another_key_file_opens_the_repository(place: Place, taken: object) -> None:
    new = place.shell.folder / "new"
    new.write_text("ab" * 32)
    new.chmod(0o600)

    ended = place.run("change-key", "--new-key-file", str(new))

    if not place.options:
        assert ended.exit_code == 78
        return
    assert (ended.exit_code, ended.err) == (0, "")
    assert place.run("check").exit_code == 90
    assert replace(place, options=("--key-file", str(new))).run("check").exit_code == 0


def test_a_new_secret_must_be_given(place: Place) -> None:
    ended = place.run("change-key")

    assert (ended.exit_code, ended.err) == (
        78,
        "telamon: Give --new-passphrase-file or --new-key-file.\n",
    )


# rescan


def test_a_rescan_needs_an_organization(place: Place, taken: object) -> None:
    ended = place.run("rescan")

    assert (ended.exit_code, ended.out) == (78, "")
    assert ended.err.endswith("has not been initialized: telamon init does that.\n")


def test_a_rescan_says_what_it_found(place: Place, taken: tuple[Manifest, Manifest]) -> None:
    place.here(place.shell, "init", "--data-dir", str(place.data_dir))

    ended = place.run("rescan")
    again = place.json("rescan")

    group_id = taken[0].group_id
    assert is_id(group_id)
    assert (ended.exit_code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"project   {group_id}",
        f"instance  {taken[0].instance_id}  Instance0, in project {group_id}",
        "2 snapshots added to the catalogue, 0 known before",
    ]
    assert (again["snapshots"], again["knownSnapshots"]) == ([], 2)


def test_a_rescan_passes_over_what_cannot_be_read(place: Place, taken: object) -> None:
    place.here(place.shell, "init", "--data-dir", str(place.data_dir))
    place.harm(f"snapshots/{FIRST}", -1)

    ended = place.run("rescan")

    assert ended.exit_code == 90
    assert ended.err == "telamon: 1 snapshot cannot be read; the rest is done.\n"
    assert "1 snapshot added to the catalogue" in ended.out
    assert f"damage: The manifest of snapshot {FIRST} is damaged" in ended.out
