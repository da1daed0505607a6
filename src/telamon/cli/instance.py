"""``telamon instance``: protected deployments."""

import sys
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from telamon.cli.client import Client
from telamon.config import load_client_settings

app = App(name="instance", help="Protected deployments.")


@app.command
def attach(
    name: str,
    *,
    uri: Annotated[str, Parameter(allow_leading_hyphen=True)],
    kind: Literal["serverless", "flex", "dedicated"] = "serverless",
) -> None:
    """Protect a deployment that already runs.

    Parameters
    ----------
    name
        What to call it: letters, digits and hyphens.
    uri
        Its connection string; - reads it from standard input, where no process list shows it.
        Its user needs the role backup, and restore and readWriteAnyDatabase to be restored into.
    kind
        Which of Atlas's paths show it: serverless, flexClusters or clusters.
    """
    given = sys.stdin.readline().strip() if uri == "-" else uri
    with Client(load_client_settings()) as client:
        body = {"name": name, "uri": given, "kind": kind}
        made = client.own("POST", "/instances", body)
    print(f"{made['name']}  {made['id']}  {made['stateName']}  {made['address']}")


@app.command
def create(name: str, *, provider: str = "AWS", region: str = "US_EAST_1") -> None:
    """Make a deployment that Telamon runs itself.

    Parameters
    ----------
    name
        What to call it: letters, digits and hyphens.
    provider
        AWS, AZURE or GCP: a word that the API shows again.
    region
        Another such word.
    """
    settings = {
        "providerName": "SERVERLESS",
        "backingProviderName": provider,
        "regionName": region,
    }
    with Client(load_client_settings()) as client:
        made = client.atlas("POST", "/serverless", {"name": name, "providerSettings": settings})
    print(f"{made['name']}  {made['id']}  {made['stateName']}")


@app.command(name="list")
def list_() -> None:
    """The project's deployments: name, state, connection string; and the kind of clusters."""
    with Client(load_client_settings()) as client:
        for found in client.atlas("GET", "/serverless?itemsPerPage=500")["results"]:
            address = found["connectionStrings"].get("standardSrv", "-")
            print(f"{found['name']}  {found['stateName']}  {address}")
        for found in client.own("GET", "/instances?itemsPerPage=500")["results"]:
            if found["kind"] != "serverless":
                address = found.get("address", "-")
                print(f"{found['name']}  {found['stateName']}  {address}  {found['kind']}")


@app.command
def continuous(
    name: str, *, on: Annotated[bool | None, Parameter(negative="--off")] = None
) -> None:
    """Switch continuous backup on or off, and show to which moments one can restore.

    Parameters
    ----------
    name
        The deployment.
    on
        Capture the oplog from now on, or stop that; without, only show.
    """
    path = f"/instances/{name}/continuousBackup"
    with Client(load_client_settings()) as client:
        found = (
            client.own("GET", path) if on is None else client.own("PATCH", path, {"enabled": on})
        )
    state = "on" if found["enabled"] else "off"
    lag = f", {found['lagSeconds']} seconds behind" if "lagSeconds" in found else ""
    print(f"continuous backup is {state}{lag}, {found['storedBytes']} bytes stored")
    for window in found["windows"]:
        print(f"covered  {_moment(window['start'])}  to  {_moment(window['until'])}")
    for gap in found["gaps"]:
        print(f"gap      {_moment(gap['start'])}  to  {_moment(gap['until'])}: {gap['reason']}")
    if "failure" in found:
        print(f"failed at {found['failedAt']}: {found['failure']}")


def _moment(found: dict[str, Any]) -> str:
    return f"{found['date']} ({found['oplogTs']}.{found['oplogInc']})"
