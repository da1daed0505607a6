"""Which machine this is."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from telamon.errors import ConfigurationError
from telamon.ids import is_id
from telamon.server.machine import machine_of


def test_a_data_directory_is_one_machine_for_ever(tmp_path: Path) -> None:
    made = machine_of(tmp_path)

    assert is_id(made)
    assert machine_of(tmp_path) == made
    assert [path.name for path in tmp_path.iterdir()] == ["machine"]


def test_processes_that_ask_at_once_are_told_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = set(pool.map(lambda _: machine_of(tmp_path), range(32)))

    assert len(told) == 1


def test_another_directory_is_another_machine(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()

    assert machine_of(tmp_path / "a") != machine_of(tmp_path / "b")


def test_a_directory_that_cannot_be_written_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TELAMON_DATA_DIR"):
        machine_of(tmp_path / "missing")
