"""``telamon restore``: putting snapshots back."""

from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import App, Parameter

from telamon.cli.client import Client
from telamon.cli.progress import Amount, Progress, Unit
from telamon.cli.selection import Part, selection_body
from telamon.config import load_client_settings
from telamon.errors import InvalidRequest, RestoreFailed
from telamon.model.restore_options import IndexFailures

app = App(name="restore", help="Restore jobs.")


@app.command
def start(
    name: str,
    snapshot_id: str | None = None,
    *,
    at: datetime | None = None,
    oplog: str | None = None,
    target: str | None = None,
    target_group_id: str | None = None,
    index_failures: IndexFailures = IndexFailures.FAIL,
    part: Annotated[Part | None, Parameter(name="*")] = None,
    wait: bool = False,
) -> None:
    """Restore a snapshot, or a moment, and print the job's id.

    It takes the place of everything that the target holds. With --ns, only a part of it is restored,
    and everything else in the target stays.

    Parameters
    ----------
    name
        The deployment that the snapshot is of.
    snapshot_id
        Which snapshot; none with --at or --oplog.
    at
        A moment, as 2026-01-22T12:30:00Z: what was written before that second. In UTC unless it says
        otherwise.
    oplog
        A moment, as SECONDS.INCREMENT of an entry of the oplog: what was written up to that entry.
    target
        The deployment to restore into; the same one if not given.
    target_group_id
        The target's project; the same one if not given.
    index_failures
        What happens when the target cannot build an index: the restore fails, or skips that index.
    part
        What of the snapshot or the moment is restored; all of it if not given.
    wait
        Return when it is finished; fail, with the reason, if it fails.
    """
    with Client(load_client_settings()) as client:
        job = client.own(
            "POST",
            f"/instances/{name}/restoreJobs",
            {
                "indexFailures": index_failures.value,
                **_what(snapshot_id, at, oplog),
                "targetClusterName": target or name,
                "targetGroupId": target_group_id or client.group_id,
                **selection_body(part),
            },
        )
        print(job["id"], flush=True)
        if wait:
            _follow(client, f"/instances/{name}/restoreJobs/{job['id']}")


def _follow(client: Client, path: str) -> None:
    """To the end of a job. Raises RestoreFailed."""
    with Progress("Restoring") as progress:
        ended = client.follow(
            path,
            lambda answer: "finishedAt" in answer,
            lambda answer: progress.tell(*_amounts(answer), note=answer["stage"]),
        )
    if ended["stage"] == "failed":
        raise RestoreFailed(f"The restore failed: {ended['failure']}")
    print(
        f"finished at {ended['finishedAt']}: {ended['documentsRestored']} documents, "
        f"{ended['sizeBytesRestored']} bytes"
    )


@app.command
def cancel(name: str, job_id: str, *, wait: bool = False) -> None:
    """End a restore job; the target keeps what it has. One that swaps cannot be ended any more.

    Parameters
    ----------
    name
        The deployment whose snapshot it restores.
    job_id
        Which job.
    wait
        Return when it has ended, and print what the target holds.
    """
    path = f"/instances/{name}/restoreJobs/{job_id}"
    with Client(load_client_settings()) as client:
        client.own("DELETE", path)
        if wait:
            ended = client.follow(path, lambda answer: "finishedAt" in answer, lambda _: None)
            print(ended["failure"])


@app.command(name="list")
def list_(name: str) -> None:
    """The jobs that restore a deployment's snapshots, newest first.

    Parameters
    ----------
    name
        The deployment.
    """
    with Client(load_client_settings()) as client:
        path = f"/serverless/{name}/backup/restoreJobs?itemsPerPage=500"
        for job in client.atlas("GET", path)["results"]:
            print(f"{job['id']}  {_outcome(job)}  {job['snapshotId']}  {_delivery(job)}")


@app.command
def show(name: str, job_id: str) -> None:
    """How a restore job stands, and what it has proven of each namespace so far.

    Parameters
    ----------
    name
        The deployment whose snapshot it restores.
    job_id
        Which job.
    """
    with Client(load_client_settings()) as client:
        job = client.own("GET", f"/instances/{name}/restoreJobs/{job_id}")
        print(
            f"{job['id']}  {job['stage']}  {job['namespacesRestored']} of {job['namespacesTotal']} "
            f"namespaces, {job['documentsRestored']} of {job['documentsTotal']} documents, "
            f"{job['sizeBytesRestored']} of {job['sizeBytesTotal']} bytes"
        )
        if "failure" in job:
            print(job["failure"])
        for found in client.own_list(f"/instances/{name}/restoreJobs/{job_id}/namespaces"):
            print(
                f"{found['namespace']}  {found['documents']} documents, {found['sizeBytes']} bytes, "
                f"{found['indexes']} indexes, {found['seconds']} s  {found.get('contentHash', '-')}"
            )
            for skipped in found.get("skippedIndexes", ()):
                print(f"  without the index {skipped['definition']}: {skipped['reason']}")


def _what(snapshot_id: str | None, at: datetime | None, oplog: str | None) -> dict[str, Any]:
    """What is to be restored, in the API's words. Raises InvalidRequest unless it is one thing."""
    if sum(given is not None for given in (snapshot_id, at, oplog)) != 1:
        raise InvalidRequest("give a snapshot, or --at, or --oplog")
    if at is not None:
        moment = at if at.tzinfo else at.replace(tzinfo=UTC)
        return {"pointInTimeUTCSeconds": int(moment.timestamp())}
    if oplog is not None:
        seconds, _, increment = oplog.partition(".")
        if not (seconds.isdigit() and increment.isdigit()):
            raise InvalidRequest("--oplog is SECONDS.INCREMENT")
        return {"oplogTs": int(seconds), "oplogInc": int(increment)}
    return {"snapshotId": snapshot_id}


def _amounts(job: dict[str, Any]) -> tuple[Amount, ...]:
    return (
        Amount(Unit.BYTES, job["sizeBytesRestored"], job["sizeBytesTotal"]),
        Amount(Unit.DOCUMENTS, job["documentsRestored"], job["documentsTotal"]),
        Amount(Unit.NAMESPACES, job["namespacesRestored"], job["namespacesTotal"] or None),
    )


def _outcome(job: dict[str, Any]) -> str:
    if job["failed"]:
        return "failed"
    return f"finished {job['finishedAt']}" if "finishedAt" in job else "running"


def _delivery(job: dict[str, Any]) -> str:
    """Where the data goes."""
    if job["deliveryType"] == "download":
        return str(job["deliveryUrl"][0]) if job["deliveryUrl"] else "download"
    return str(job["targetClusterName"])
