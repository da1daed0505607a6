"""``telamon drill``: proof that a snapshot can be restored."""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from telamon.cli.client import Client
from telamon.cli.repository_report import count
from telamon.config import load_client_settings
from telamon.errors import ConfigurationError, DrillFailed, ReportUnreadable

app = App(
    name="drill",
    help="Drills: the newest snapshot restored into a throwaway mongod, verified, destroyed.",
)


@app.default
def drill(name: str) -> None:
    """Drill the newest snapshot of a deployment, and fail, with the reason, if it does not pass.

    Parameters
    ----------
    name
        The deployment.
    """
    _start(name, wait=True)


@app.command
def start(name: str, *, wait: bool = False) -> None:
    """Ask for a drill of a deployment's newest snapshot, and print its id.

    Parameters
    ----------
    name
        The deployment.
    wait
        Return when it has passed; fail, with the reason, if it does not.
    """
    _start(name, wait=wait)


@app.command(name="list")
def list_(name: str) -> None:
    """A deployment's drills, newest first: id, state, when it was asked for, snapshot, failure.

    Parameters
    ----------
    name
        The deployment.
    """
    with Client(load_client_settings()) as client:
        for found in client.own("GET", f"/instances/{name}/drills?itemsPerPage=500")["results"]:
            shown = [found["id"], found["state"], found["requestedAt"], found["snapshotId"]]
            print("  ".join([*shown, *([found["failure"]] if "failure" in found else [])]))


@app.command
def report(name: str, drill_id: str) -> None:
    """Print the signed report of a drill, which ``telamon drill verify`` checks anywhere.

    Parameters
    ----------
    name
        The deployment.
    drill_id
        Which drill.
    """
    from telamon.model.drill_report import canonical

    with Client(load_client_settings()) as client:
        found = client.own("GET", f"/instances/{name}/drills/{drill_id}/report")
    print(canonical(found).decode())


@app.command
def key() -> None:
    """Print the public key of this installation's reports, for those who check them."""
    with Client(load_client_settings()) as client:
        print(client.everywhere("GET", "/drillKey")["pem"], end="")


@app.command
def verify(
    file: Path,
    *,
    key: Annotated[Path | None, Parameter(help="What telamon drill key printed.")] = None,
) -> None:
    """Check a signed report, offline; fail if it was altered, or is signed by another key.

    Parameters
    ----------
    file
        The report.
    """
    from telamon.operations.drill_signing import DrillPublicKey, check

    expected = None if key is None else DrillPublicKey.of_pem(_read(key))
    checked = check(_read(file), expected)
    print(f"The signature by the key {checked.key.id} is good.")
    print(_outcome(checked.fields))
    if expected is None:
        print(
            "The key is the report's own: give --key to know whose report it is.", file=sys.stderr
        )


def _outcome(fields: dict[str, Any]) -> str:
    try:
        return (
            f"drill {fields['drillId']} of {fields['instance']['name']}, "
            f"snapshot {fields['snapshotId']}: {fields['outcome']} at {fields['finishedAt']}"
            + (f": {fields['reason']}" if fields["reason"] else "")
        )
    except (KeyError, TypeError) as error:  # whoever signed it
        raise ReportUnreadable("There is no evidence of a drill in it.") from error


def _start(name: str, *, wait: bool) -> None:
    with Client(load_client_settings()) as client:
        path = f"/instances/{name}/drills"
        drill_id = client.own("POST", path)["id"]
        print(drill_id, flush=True)
        if not wait:
            return
        ended = client.follow(
            f"{path}/{drill_id}", lambda answer: "finishedAt" in answer, lambda answer: None
        )
        if ended["state"] != "passed":
            raise DrillFailed(f"The drill failed: {ended['failure']}")
        print(_line(client.own("GET", f"{path}/{drill_id}/report")["report"]))


def _line(found: dict[str, Any]) -> str:
    namespaces = found["namespaces"]
    documents = sum(each["documents"] for each in namespaces)
    size_bytes = sum(each["bytes"] for each in namespaces)
    return (
        f"passed at {found['finishedAt']}: snapshot {found['snapshotId']}, "
        f"{count(len(namespaces), 'namespace')}, {documents} documents, {size_bytes} bytes, "
        f"{found['durations']['totalSeconds']} s"
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
