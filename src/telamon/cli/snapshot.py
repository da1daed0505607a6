"""``telamon snapshot``: snapshots of deployments."""

from typing import Any

from cyclopts import App

from telamon.cli.client import Client
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
        ended = client.follow(
            f"/instances/{name}/snapshots/{taken['id']}",
            lambda answer: answer["status"] in ("completed", "failed"),
            lambda _answer: None,
        )
    if ended["status"] == "failed":
        raise SnapshotFailed(f"The snapshot failed: {ended['failure']}")
    print(_line(ended))


@app.command(name="list")
def list_(name: str) -> None:
    """A deployment's snapshots, newest first: id, status, point in time, bytes.

    Parameters
    ----------
    name
        The deployment.
    """
    with Client(load_client_settings()) as client:
        path = f"/serverless/{name}/backup/snapshots?itemsPerPage=500"
        for found in client.atlas("GET", path)["results"]:
            taken_at = found.get("createdAt", "-")
            print(f"{found['id']}  {found['status']}  {taken_at}  {found['storageSizeBytes']}")


def _line(ended: dict[str, Any]) -> str:
    return (
        f"completed at {ended['createdAt']} (cluster time {ended['clusterTime']}): "
        f"{ended['documents']} documents, {ended['sizeBytes']} bytes, "
        f"{ended['newBytes']} bytes added to the repository"
    )
