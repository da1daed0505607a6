"""``telamon db``: the schema of the metadata database."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from telamon.config import load_settings

app = App(name="db", help="The metadata database.")


@app.command
def upgrade(
    *,
    data_dir: Annotated[Path | None, Parameter(help="Where SQLite is [./telamon-data].")] = None,
) -> None:
    """Bring the tables to this version of Telamon; what is there stays. Do it before telamon serve.

    On SQLite telamon serve does so itself.
    """
    from telamon.server.state import upgrade_schema

    upgrade_schema(load_settings(data_dir=data_dir))
    print("The database is up to date.")
