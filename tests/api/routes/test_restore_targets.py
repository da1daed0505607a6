"""Asking for a restore: into which targets, with which rights on them."""

import httpx
import pytest

from telamon.model.access import NewApiKey, Organization, Role, RoleAssignment
from telamon.model.instance import Instance, InstanceState
from tests.api.routes.backups import add_snapshot
from tests.api.routes.world import (
    FOREIGN_GROUP,
    FOREIGN_ORG,
    GROUP,
    MISSING_GROUP,
    OTHER_GROUP,
    OTHER_INSTANCE_ID,
    OWNER_OF_GROUP,
    SNAPSHOT_ID,
    World,
)


def jobs_of(prefix: str, instance_name: str = "orders") -> str:
    return f"{prefix}/groups/{GROUP}/serverless/{instance_name}/backup/restoreJobs"


def wanted(**changes: object) -> dict[str, object]:
    """A body that restores the instance named orders into itself."""
    return {
        "deliveryType": "automated",
        "snapshotId": SNAPSHOT_ID,
        "targetClusterName": "orders",
        "targetGroupId": GROUP,
        **changes,
    }


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


@pytest.fixture
def source(world: World, orders: Instance) -> Instance:
    """An instance with a completed snapshot."""
    add_snapshot(world, orders)
    return orders


@pytest.fixture
def key_of_one_project(world: World, organization: Organization) -> NewApiKey:
    return world.add_key(organization, OWNER_OF_GROUP)


@pytest.mark.usefixtures("source")
async def test_the_target_may_be_another_instance(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    world.add_instance("target", instance_id=OTHER_INSTANCE_ID)

    job = (await client.post(jobs_of(atlas), json=wanted(targetClusterName="target"))).json()

    assert (job["targetClusterName"], job["targetDeploymentItemName"]) == ("target", "atlas-a2c3d4")


def into_other_project() -> dict[str, object]:
    return wanted(targetGroupId=OTHER_GROUP, targetClusterName="elsewhere")


@pytest.fixture
def elsewhere(world: World, source: Instance) -> Instance:
    """An instance in another project of the organization."""
    del source
    return world.add_instance("elsewhere", instance_id=OTHER_INSTANCE_ID, group_id=OTHER_GROUP)


@pytest.mark.usefixtures("elsewhere")
async def test_the_target_may_be_in_another_project_that_the_key_owns(
    client: httpx.AsyncClient, atlas: str
) -> None:
    job = (await client.post(jobs_of(atlas), json=into_other_project())).json()

    assert (job["targetGroupId"], job["targetClusterName"]) == (OTHER_GROUP, "elsewhere")


@pytest.mark.usefixtures("elsewhere")
async def test_a_job_into_another_project_is_listed_in_its_snapshots_project(
    client: httpx.AsyncClient, atlas: str
) -> None:
    job = (await client.post(jobs_of(atlas), json=into_other_project())).json()

    listed = (await client.get(jobs_of(atlas))).json()["results"]

    assert listed == [job]


@pytest.mark.usefixtures("elsewhere")
async def test_a_project_that_the_key_does_not_own_is_no_target(
    world: World, key_of_one_project: NewApiKey, atlas: str
) -> None:
    answer = await world.client(key_of_one_project).post(jobs_of(atlas), json=into_other_project())

    assert (answer.status_code, answer.json()) == (
        403,
        {
            "detail": "Cannot restore with insufficient permission on source snapshot or target "
            "cluster.",
            "error": 403,
            "errorCode": "CANNOT_RESTORE_TO_TARGET",
            "parameters": [],
            "reason": "Forbidden",
        },
    )


@pytest.mark.usefixtures("elsewhere")
async def test_a_project_that_the_key_may_only_read_is_no_target(
    world: World, organization: Organization, atlas: str
) -> None:
    reads_there = RoleAssignment(role=Role.GROUP_READ_ONLY, group_id=OTHER_GROUP)
    key = world.add_key(organization, (*OWNER_OF_GROUP, reads_there))

    answer = await world.client(key).post(jobs_of(atlas), json=into_other_project())

    assert code(answer) == (403, "CANNOT_RESTORE_TO_TARGET")


@pytest.mark.usefixtures("source")
async def test_a_project_of_another_organization_is_no_target(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    world.add_organization(FOREIGN_ORG, groups=[FOREIGN_GROUP])
    world.add_instance("foreign", instance_id=OTHER_INSTANCE_ID, group_id=FOREIGN_GROUP)

    body = wanted(targetGroupId=FOREIGN_GROUP, targetClusterName="foreign")
    answer = await client.post(jobs_of(atlas), json=body)

    assert code(answer) == (403, "CANNOT_RESTORE_TO_TARGET")


@pytest.mark.usefixtures("source")
async def test_an_unknown_project_is_404_to_a_key_that_owns_the_organization(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(targetGroupId=MISSING_GROUP))

    assert code(answer) == (404, "GROUP_NOT_FOUND")


@pytest.mark.usefixtures("source")
async def test_an_unknown_project_is_like_any_that_is_not_owned_to_other_keys(
    world: World, key_of_one_project: NewApiKey, atlas: str
) -> None:
    body = wanted(targetGroupId=MISSING_GROUP)
    answer = await world.client(key_of_one_project).post(jobs_of(atlas), json=body)

    assert code(answer) == (403, "CANNOT_RESTORE_TO_TARGET")


@pytest.mark.usefixtures("source")
async def test_an_unknown_target_is_404(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(targetClusterName="nobody"))

    assert (*code(answer), answer.json()["parameters"]) == (
        404,
        "SERVERLESS_INSTANCE_NOT_FOUND",
        ["nobody", GROUP],
    )


@pytest.mark.usefixtures("source")
async def test_a_target_that_is_being_deleted_is_409(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    world.add_instance("target", instance_id=OTHER_INSTANCE_ID, state=InstanceState.DELETING)

    answer = await client.post(jobs_of(atlas), json=wanted(targetClusterName="target"))

    assert (answer.status_code, answer.json()) == (
        409,
        {
            "detail": "The restore cannot start: the target target is being deleted.",
            "error": 409,
            "errorCode": "RESTORE_INITIATION_FAILED",
            "parameters": ["the target target is being deleted"],
            "reason": "Conflict",
        },
    )
