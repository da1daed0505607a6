"""Which machine this is, to the others of a fleet: an id in the data directory.

Managed instances are in the data directory, so what counts is the directory and not the host:
its disk may be carried to another.
"""

import os
from pathlib import Path

from telamon.clock import system_clock
from telamon.ids import new_id
from telamon.server.locks import unwritable


def machine_of(data_dir: Path) -> str:
    """The same for every process and all time; made by the first who asks."""
    path = data_dir / "machine"
    try:
        if not path.exists():
            _make(path)
        return path.read_text().strip()
    except OSError as error:
        raise unwritable(data_dir, error) from error


def _make(path: Path) -> None:
    made = new_id(system_clock())
    unfinished = path.with_name(f".machine.{made}.tmp")
    try:
        with unfinished.open("x") as file:
            file.write(f"{made}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, path)
    except FileExistsError:
        pass  # another process was faster
    finally:
        unfinished.unlink(missing_ok=True)
