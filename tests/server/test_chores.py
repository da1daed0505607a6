"""Which chores a worker has, by the settings."""

from pathlib import Path

import pytest

from telamon.config import Settings
from telamon.server.chores import chores
from telamon.server.repository import open_repository, place_of
from telamon.server.state import prepared_state

REPOSITORY = ["ask_for_repository_jobs"]
ALWAYS = ["measure_repository", "prune_records"]
SCHEDULES = ["take_scheduled_snapshots", "try_failed_snapshots_again"]
RETENTION = ["delete_expired_snapshots", "delete_old_oplog"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ({}, [*SCHEDULES, *RETENTION, *REPOSITORY, *ALWAYS]),
        ({"schedules": False}, [*RETENTION, *REPOSITORY, *ALWAYS]),
        ({"retention": False}, [*SCHEDULES, *REPOSITORY, *ALWAYS]),
        ({"prune_every_days": 0}, [*SCHEDULES, *RETENTION, *REPOSITORY, *ALWAYS]),
        ({"prune_every_days": 0, "check_every_days": 0}, [*SCHEDULES, *RETENTION, *ALWAYS]),
        ({"schedules": False, "retention": False}, [*REPOSITORY, *ALWAYS]),
        ({"drill_every_days": 7}, [*SCHEDULES, *RETENTION, *REPOSITORY, "ask_for_drills", *ALWAYS]),
    ],
)
def test_each_setting_turns_its_own_off(
    tmp_path: Path, words: dict[str, int], names: list[str]
) -> None:
    settings = Settings(data_dir=tmp_path, **words)  # type: ignore[arg-type]  # pydantic checks
    state = prepared_state(settings)

    made = chores(settings, state.db, state.queue, open_repository(place_of(settings)))

    state.db.close()
    assert [chore.name for chore in made] == names
