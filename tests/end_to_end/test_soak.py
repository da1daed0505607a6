"""A fleet under trouble for some seconds; ``make soak`` does it for minutes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import find_postgres

_PATIENCE_SECONDS = 500


@pytest.mark.slow
@pytest.mark.xdist_group("fleet")
def test_nothing_is_lost_while_processes_are_killed_and_frozen(mongod_program: Path) -> None:
    assert mongod_program.exists()
    if find_postgres() is None:
        pytest.skip("There is no PostgreSQL: no initdb installed.")
    soak = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.soak", "--seconds", "16", "--instances", "2"),
            *("--workers", "2", "--apis", "2", "--seed", "4"),
        ],
        cwd=Path(__file__).parent.parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        told, _ = soak.communicate(timeout=_PATIENCE_SECONDS)
    finally:
        soak.terminate()  # it ends what it has started
        soak.wait()

    assert soak.returncode == 0, told
    assert "0 violations" in told
    assert "snapshot completed" in told
