"""Names of the collections in which a restore prepares a deployment's next content.

They live in the databases that they are for, since only within a database is a rename atomic
(MongoDB manual, renameCollection).
"""

from telamon.mongo.connect import Client
from telamon.mongo.write import drop

SHADOW_PREFIX = "telamon.shadow."
SYSTEM_DATABASES = frozenset({"admin", "config", "local"})


def shadow_name(job_id: str, number: int) -> str:
    """The shadow of the ``number``-th collection of the job's snapshot."""
    return f"{SHADOW_PREFIX}{job_id}.{number}"


def user_databases(client: Client) -> list[str]:
    """Names of all databases but the server's own, sorted."""
    return sorted(set(client.list_database_names()) - SYSTEM_DATABASES)


def drop_shadows(client: Client, prefix: str = SHADOW_PREFIX) -> None:
    """Drop every collection of the user's databases whose name starts with ``prefix``."""
    for database in user_databases(client):
        for name in client[database].list_collection_names():
            if name.startswith(prefix):
                drop(client[database], name)


def drop_shadows_of_job(client: Client, job_id: str) -> None:
    """As ``drop_shadows``, for one job."""
    drop_shadows(client, f"{SHADOW_PREFIX}{job_id}.")
