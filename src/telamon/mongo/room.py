"""Whether a restore fits on the file system of a deployment, as far as that can be known."""

from collections.abc import Mapping
from typing import Any

from telamon.errors import RestoreFailed
from telamon.mongo.connect import Client


def require_room(client: Client, least_bytes: int) -> None:
    """Raises RestoreFailed if not even ``least_bytes`` are free where the primary keeps its data.

    A full disk ends a server, so what surely cannot fit is not begun. Raises PyMongo's errors.
    """
    if least_bytes:
        compare(client.admin.command("dbStats"), least_bytes)


def compare(stats: Mapping[str, Any], least_bytes: int) -> None:
    """As ``require_room``, by an answer to dbStats, which not every storage engine gives whole."""
    used, total = stats.get("fsUsedSize"), stats.get("fsTotalSize")
    if used is None or not total:
        return
    free = int(total) - int(used)
    if free < least_bytes:
        raise RestoreFailed(
            f"The target has no room for the restore: beside what is there it needs at least "
            f"{least_bytes} bytes, and of {int(total)} bytes on its file system {free} are free."
        )
