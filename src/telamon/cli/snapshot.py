"""``telamon snapshot``: snapshots of deployments."""

from typing import Any

from cyclopts import App

from telamon.cli.client import Client
from telamon.cli.progress import Amount, Progress, Unit
from telamon.config import load_client_settings
from telamon.errors import SnapshotFailed

app = App(name="snapshot", help="Snapshots of protected deployments.")


@app.command
def take(name: str, *, wait: bool = False, retention_days: int = 35) -> None:
    """Take a snapshot now, and print its id.

    Parameters
    ----------
    name
        The deployment.
    wait
        Return when it is completed; fail, with the reason, if it fails.
    retention_days
        How long to keep it.
    """
    with Client(load_client_settings()) as client:
        body = {"retentionInDays": retention_days}
        taken = client.own("POST", f"/instances/{name}/snapshots", body)
        print(taken["id"], flush=True)
        if not wait:
            return
        with Progress("Taking the snapshot") as progress:
            ended = client.follow(
                f"/instances/{name}/snapshots/{taken['id']}",
                lambda answer: answer["status"] in ("completed", "failed"),
                lambda answer: progress.tell(*_amounts(answer), note=answer["status"]),
            )
    if ended["status"] == "failed":
        raise SnapshotFailed(f"The snapshot failed: {ended['failure']}")
    print(_line(ended))


@app.command(name="list")
def list_(name: str) -> None:
    """A deployment's snapshots, newest first: id, status, point in time, bytes, consistency.

    Parameters
    ----------
    name
        The deployment.
    """
    with Client(load_client_settings()) as client:
        for found in client.own("GET", f"/instances/{name}/snapshots?itemsPerPage=500")["results"]:
            taken_at = found.get("createdAt", "-")
            consistency = found.get("consistency", "-")
            shown = (found["id"], found["status"], taken_at, found["sizeBytes"], consistency)
            print("  ".join(map(str, shown)))


def _amounts(snapshot: dict[str, Any]) -> tuple[Amount, ...]:
    return (
        Amount(Unit.BYTES, snapshot["sizeBytes"], snapshot["expectedBytes"] or None),
        Amount(Unit.DOCUMENTS, snapshot["documents"]),
        Amount(Unit.NAMESPACES, snapshot["namespaces"], snapshot["namespacesTotal"] or None),
    )


def _line(ended: dict[str, Any]) -> str:
    time = ended.get("clusterTime")
    of = f"cluster time {time}" if time else "of no single time: the server is a standalone"
    return (
        f"completed at {ended['createdAt']} ({of}): "
        f"{ended['documents']} documents, {ended['sizeBytes']} bytes, "
        f"{ended['newBytes']} bytes added to the repository"
    )
