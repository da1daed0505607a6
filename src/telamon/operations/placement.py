"""On which machine a new managed instance is to be."""

from pathlib import Path

from sqlalchemy import Connection

from telamon.errors import FeatureUnsupported
from telamon.state import instances, workers


class Placement:
    """``mongod`` is the program by which a worker beside the API makes instances on this ``machine``;
    None without such a worker or program. On a fleet, workers of other machines may make them, too.
    """

    def __init__(
        self, *, mongod: Path | None, machine: str | None, on_fleet: bool, lease_seconds: int
    ) -> None:
        self._lease_seconds = lease_seconds
        self._mongod = mongod
        self._machine = machine
        self._on_fleet = on_fleet

    def choose(self, tx: Connection) -> str | None:
        """None where there is but one machine. Raises FeatureUnsupported where there is none."""
        if not self._on_fleet:
            if self._mongod is None:
                raise FeatureUnsupported(
                    "no mongod is installed here to run an instance with "
                    "(pip install 'telamon[local]')"
                )
            return None
        machines = workers.machines_with_mongod(tx, lease_seconds=self._lease_seconds)
        if self._mongod is not None and self._machine is not None:
            machines.add(self._machine)  # its worker may be just starting
        if not machines:
            raise FeatureUnsupported(
                "no worker that runs has a mongod to make an instance with "
                "(pip install 'telamon[local]' where one runs)"
            )
        return instances.emptiest(tx, machines)
