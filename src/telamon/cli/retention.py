"""``telamon retention``: which snapshots are to go. Works on the data directory itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from telamon.cli.repository_report import count, print_json
from telamon.config import load_settings

if TYPE_CHECKING:
    from telamon.operations.expired_snapshots import InstancePlan

Flag = Annotated[bool, Parameter(negative="")]


def retention(*, data_dir: Path | None = None, dry_run: Flag = False, json: Flag = False) -> None:
    """Delete the snapshots whose time is over, as a worker does by itself every ten minutes.

    Parameters
    ----------
    data_dir
        Where everything is kept.
    dry_run
        Print for each snapshot whether it would be deleted, and why; do nothing.
    json
        Print one JSON object.
    """
    from telamon.server.retention import expired_snapshots

    with expired_snapshots(load_settings(data_dir=data_dir)) as expired:
        if dry_run:
            lines = _lines(expired.plan())
            if json:
                print_json({"snapshots": lines})
            for line in [] if json else lines:
                print("  ".join(line.values()))
            return
        deleted = expired.delete()
    if json:
        print_json({"deleted": list(deleted)})
    else:
        print(f"{count(len(deleted), 'snapshot')} will be deleted by the worker")


def _lines(plans: "tuple[InstancePlan, ...]") -> list[dict[str, str]]:
    return [
        {
            "verdict": "delete" if verdict.is_deleted else "keep",
            "snapshotId": verdict.snapshot.id,
            "expiresAt": verdict.snapshot.expires_at.isoformat().replace("+00:00", "Z"),
            "groupId": plan.group_id,
            "instanceName": plan.instance_name,
            "reason": verdict.reason.value,
        }
        for plan in plans
        for verdict in plan.verdicts
    ]
