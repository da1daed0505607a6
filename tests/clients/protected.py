"""An instance as a client finds it, and what its restore has to bring back."""

from dataclasses import dataclass
from typing import Any

from telamon.mongo.connect import open_client
from tests.end_to_end.harness import Json, Server
from tests.mongo.memory import content

UNKNOWN = "nosuch"
"""The name that no instance has."""


@dataclass(frozen=True)
class Protected:
    """``saved`` is the content of the deployment at ``uri`` that the snapshot holds."""

    name: str
    uri: str
    group_id: str
    snapshot_id: str
    saved: dict[str, Any]

    @property
    def order(self) -> Json:
        """The body that asks for a restore into the instance itself, but for flex clusters."""
        return {
            "deliveryType": "automated",
            "snapshotId": self.snapshot_id,
            "targetClusterName": self.name,
            "targetGroupId": self.group_id,
        }

    def damage(self) -> None:
        with open_client(self.uri) as client:
            client.shop.orders.delete_many({"_id": {"$lt": 5}})
            client.ransom.note.insert_one({"pay": "now"})

    def content(self) -> dict[str, Any]:
        with open_client(self.uri) as client:
            return content(client)


def protect(server: Server, name: str, uri: str) -> Protected:
    """Fill the deployment of an instance, and take a snapshot of it."""
    with open_client(uri) as client:
        client.shop.orders.insert_many({"_id": number, "paid": True} for number in range(10))
        client.shop.orders.create_index("paid")
        saved = content(client)
    return Protected(name, uri, server.group_id, server.snapshot(name), saved)


def restore_job_ids(server: Server, name: str) -> list[str]:
    """Of a serverless instance, as the server has them on one page: newest first."""
    page = server.v1("GET", f"/serverless/{name}/backup/restoreJobs?itemsPerPage=500")
    return [job["id"] for job in page["results"]]


def unknown_instance(server: Server) -> Json:
    """What Atlas answers about a serverless instance that there is not."""
    return _not_found("SERVERLESS_INSTANCE", "serverless instance", server)


def unknown_cluster(server: Server) -> Json:
    return _not_found("CLUSTER", "cluster", server)


def _not_found(code: str, what: str, server: Server) -> Json:
    return {
        "detail": f"No {what} named {UNKNOWN} exists in group {server.group_id}.",
        "error": 404,
        "errorCode": f"{code}_NOT_FOUND",
        "parameters": [UNKNOWN, server.group_id],
        "reason": "Not Found",
    }
