"""``telamon key``: API keys. Works on the data directory itself, so it needs no key."""

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from telamon.config import load_settings
from telamon.model.access import Role, RoleAssignment

app = App(name="key", help="API keys.")


@app.command
def create(
    *,
    data_dir: Annotated[Path | None, Parameter(help="Where everything is kept.")] = None,
    description: str = "made by telamon key create",
    role: Role = Role.ORG_OWNER,
    group_id: str | None = None,
    allow: Annotated[tuple[str, ...], Parameter(negative="")] = ("127.0.0.1", "::1"),
    json: bool = False,
) -> None:
    """Make an API key, and print it: the secret only this once.

    Parameters
    ----------
    description
        What it is for.
    role
        What it may do: in the whole organization, or in a project if it begins with GROUP_.
    group_id
        The project of a GROUP_ role.
    allow
        An address or network that it may be used from; may be given several times.
    json
        Print one JSON object with publicKey and privateKey.
    """
    from telamon.server.state import create_key

    made = create_key(
        load_settings(data_dir=data_dir),
        description=description,
        roles=[RoleAssignment(role=role, group_id=group_id)],
        addresses=allow,
    )
    shown = {"publicKey": made.key.public_key, "privateKey": made.private_key}
    if json:
        print(msgspec.json.encode(shown).decode())
        return
    print(f"{role.value}, from {', '.join(made.key.access_list)}")
    print("Keep the private key, it is not shown again:")
    print(f"export TELAMON_PUBLIC_KEY={shown['publicKey']}")
    print(f"export TELAMON_PRIVATE_KEY={shown['privateKey']}")
