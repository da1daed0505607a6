"""The command line: what commands there are, and what a failure looks like."""

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import cyclopts
import structlog
from cyclopts import App, Parameter

from telamon import __version__
from telamon.cli import db, drill, instance, key, repository, restore, snapshot
from telamon.cli.retention import retention
from telamon.config import load_settings
from telamon.errors import TelamonError

app = App(
    name="telamon",
    help="Self-hosted MongoDB backup and restore that speaks the MongoDB Atlas Administration API.",
    version=__version__,
)
app.command(key.app)
app.command(instance.app)
app.command(snapshot.app)
app.command(restore.app)
app.command(drill.app)
app.command(repository.app)
app.command(db.app)
app.command(retention)

DataDir = Annotated[Path | None, Parameter(help="Where everything is kept [./telamon-data].")]


@app.command
def init(
    *,
    data_dir: DataDir = None,
    org_name: str = "Telamon",
    project_name: str = "Project 0",
    json: bool = False,
) -> None:
    """Make an organization, a project and an API key, and print them: the secret only this once.

    Parameters
    ----------
    org_name
        The organization's name.
    project_name
        The project's name.
    json
        Print one JSON object with orgId, groupId, publicKey and privateKey.
    """
    import msgspec

    from telamon.server.state import initialize

    beginning = initialize(load_settings(data_dir=data_dir), org_name, project_name)
    shown = {
        "orgId": beginning.organization.id,
        "groupId": beginning.project.id,
        "publicKey": beginning.api_key.key.public_key,
        "privateKey": beginning.api_key.private_key,
    }
    if json:
        print(msgspec.json.encode(shown).decode())
        return
    print(f"organization  {shown['orgId']}  {org_name}")
    print(f"project       {shown['groupId']}  {project_name}")
    print("API key, an owner of both; keep the private key, it is not shown again:")
    print(f"export TELAMON_GROUP_ID={shown['groupId']}")
    print(f"export TELAMON_PUBLIC_KEY={shown['publicKey']}")
    print(f"export TELAMON_PRIVATE_KEY={shown['privateKey']}")


@app.command
def serve(
    *,
    data_dir: DataDir = None,
    host: str | None = None,
    port: int | None = None,
    worker: Annotated[bool, Parameter(negative="--no-worker")] = True,
) -> None:
    """Run the API, and beside it a worker that runs jobs and managed deployments.

    Parameters
    ----------
    host
        The address to listen on [127.0.0.1].
    port
        The port to listen on [8080]; 0 takes any free one.
    worker
        Without one, jobs are done by telamon worker: on any machine if the database is PostgreSQL.
    """
    from telamon.server.serve import serve as serve_api

    settings = load_settings(data_dir=data_dir, host=host, port=port)
    _configure_logs(settings.log_format)
    serve_api(
        settings,
        lambda url: print(f"Telamon is listening on {url}", flush=True),
        with_worker=worker,
    )


@app.command
def worker(*, data_dir: DataDir = None, supervised: bool = False) -> None:
    """Run jobs; telamon serve starts one of these by itself.

    Parameters
    ----------
    supervised
        Stop when standard input ends.
    """
    from telamon.server.work import work

    settings = load_settings(data_dir=data_dir)
    _configure_logs(settings.log_format)
    work(settings, supervised=supervised)


def main() -> None:
    """Run one command; a TelamonError ends it with one sentence and its class's exit code."""
    try:
        app(sys.argv[1:])
    except TelamonError as error:
        print(f"telamon: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except cyclopts.CycloptsError as error:
        print(f"telamon: {error}", file=sys.stderr)
        sys.exit(2)


def _standard_error(*_: object) -> structlog.PrintLogger:
    """That of the moment: whoever runs commands within a program of theirs may change it."""
    return structlog.PrintLogger(_Latest())  # type: ignore[arg-type]  # it writes and flushes, no more


class _Latest:
    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _configure_logs(log_format: Literal["console", "json"]) -> None:
    """Events on standard error; what libraries log, from warnings up, too."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=_standard_error,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
