"""``telamon drill verify``, which needs neither server nor keys."""

import json
from pathlib import Path

import pytest

from telamon.operations.drill_signing import DrillKey
from tests.cli.conftest import Here, Shell
from tests.drills import DRILL, report
from tests.state.samples import SNAPSHOT

KEY = DrillKey(bytes(32))
OTHER = DrillKey(b"\x01" * 32)


@pytest.fixture
def folder(shell: Shell) -> Path:
    return put(shell.folder)


def put(folder: Path) -> Path:
    """A report, and the public key it is signed with."""
    (folder / "report.json").write_bytes(KEY.sign(report()))
    (folder / "key.pem").write_text(KEY.public.pem)
    return folder


def words(folder: Path) -> tuple[str, ...]:
    return "drill", "verify", str(folder / "report.json"), "--key", str(folder / "key.pem")


def test_a_good_report_is_good(here: Here, shell: Shell, folder: Path) -> None:
    ended = here(shell, *words(folder))

    assert (ended.exit_code, ended.err) == (0, "")
    assert ended.out == (
        f"The signature by the key {KEY.public.id} is good.\n"
        f"drill {DRILL} of Instance0, snapshot {SNAPSHOT}: passed at 2026-01-22T12:30:00Z\n"
    )


def test_a_good_report_of_a_failure_says_so(here: Here, shell: Shell, folder: Path) -> None:
    (folder / "report.json").write_bytes(KEY.sign(report(reason="shop.orders is not restored.")))

    ended = here(shell, *words(folder))

    assert ended.exit_code == 0
    assert ended.out.endswith(": failed at 2026-01-22T12:30:00Z: shop.orders is not restored.\n")


def test_without_a_key_nobody_is_known_to_have_signed_it(
    here: Here, shell: Shell, folder: Path
) -> None:
    ended = here(shell, *words(folder)[:3])

    assert ended.exit_code == 0
    assert "give --key" in ended.err


def test_an_altered_report_is_told(here: Here, shell: Shell, folder: Path) -> None:
    signed = json.loads((folder / "report.json").read_text())
    signed["report"]["namespaces"][0]["documents"] += 1
    (folder / "report.json").write_text(json.dumps(signed))

    ended = here(shell, *words(folder))

    assert (ended.exit_code, ended.out) == (90, "")
    assert ended.err == (
        "telamon: The report was altered after it was signed. It is not what was signed.\n"
    )


def test_a_report_by_another_key_is_told(here: Here, shell: Shell, folder: Path) -> None:
    (folder / "report.json").write_bytes(OTHER.sign(report()))

    ended = here(shell, *words(folder))

    assert (ended.exit_code, ended.out) == (90, "")
    assert ended.err == (
        f"telamon: The report is signed by another key: {OTHER.public.id}, and not "
        f"{KEY.public.id}.\n"
    )


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("report.json", b"{}", (90, "telamon: This is no signed report of a drill")),
        ("key.pem", b"", (78, "telamon: The key file holds no public key in PEM format")),
        ("report.json", None, (78, "telamon: report.json cannot be read")),
    ],
)
def test_what_cannot_be_read_is_told(
    here: Here, shell: Shell, name: str, data: bytes | None, expected: tuple[int, str]
) -> None:
    folder = shell.folder
    put(folder)
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)

    ended = here(shell, *words(folder))

    assert ended.out == ""
    told = ended.err.replace(f"{folder}/", "").replace(" read: No such file or directory", " read")
    assert (ended.exit_code, told[: len(expected[1])]) == expected


class _Strange:
    """Signed as a report, and none."""

    def fields(self) -> dict[str, object]:
        return {"formatVersion": 1}


def test_what_somebody_signed_that_is_no_evidence_is_told(
    here: Here, shell: Shell, folder: Path
) -> None:
    (folder / "report.json").write_bytes(KEY.sign(_Strange()))  # type: ignore[arg-type]

    ended = here(shell, *words(folder))

    assert ended.exit_code == 90
    assert "There is no evidence of a drill in it." in ended.err
