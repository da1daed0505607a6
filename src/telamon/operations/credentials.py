"""How to reach an instance: its sealed credentials, opened only where a connection is made."""

import secrets

import msgspec
from sqlalchemy import Connection

from telamon.errors import DeploymentUnavailable
from telamon.model.instance import Instance
from telamon.mongo.managed import Passwords, owner_uri, telamon_uri
from telamon.state import instances as rows
from telamon.state.sealing import Sealer

_PASSWORD_BYTES = 24


class Credentials:
    """Seals what a connection needs, and opens it again."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal_new_passwords(self, instance_id: str) -> bytes:
        """Fresh passwords for a managed instance."""
        return self._seal(
            instance_id,
            {
                "telamon": secrets.token_urlsafe(_PASSWORD_BYTES),
                "owner": secrets.token_urlsafe(_PASSWORD_BYTES),
            },
        )

    def seal_uri(self, instance_id: str, uri: str) -> bytes:
        """The connection string of an attached instance, credentials and all."""
        return self._seal(instance_id, {"uri": uri})

    def passwords(self, tx: Connection, instance_id: str) -> Passwords:
        """Of a managed instance."""
        opened = self._open(tx, instance_id)
        return Passwords(telamon=opened["telamon"], owner=opened["owner"])

    def uri(self, tx: Connection, instance: Instance) -> str:
        """What Telamon connects with. Raises DeploymentUnavailable if there is no address yet."""
        if not instance.has_deployment:
            raise DeploymentUnavailable(
                f"The instance {instance.name} has no deployment: all that is known of it is what "
                f"its snapshots say. telamon instance attach {instance.name} --uri URI gives it one."
            )
        if not instance.managed:
            return self._open(tx, instance.id)["uri"]
        return telamon_uri(_port(instance), self.passwords(tx, instance.id))

    def owner_uri(self, tx: Connection, instance: Instance) -> str:
        """What the owner of a managed instance connects with."""
        return owner_uri(_port(instance), self.passwords(tx, instance.id))

    def _seal(self, instance_id: str, value: dict[str, str]) -> bytes:
        return self._sealer.seal(msgspec.json.encode(value), place=_place(instance_id))

    def _open(self, tx: Connection, instance_id: str) -> dict[str, str]:
        sealed = rows.sealed_credentials(tx, instance_id)
        opened = self._sealer.open(sealed, place=_place(instance_id))
        return msgspec.json.decode(opened, type=dict[str, str])


def _port(instance: Instance) -> int:
    if instance.port is None:
        raise DeploymentUnavailable(f"The instance {instance.name} has not been started yet.")
    return instance.port


def _place(instance_id: str) -> str:
    return f"instance:credentials:{instance_id}"
