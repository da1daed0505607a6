"""Bodies of a request for a restore: what is taken, what is ignored, what is refused and how."""

import json

import httpx
import pytest

from telamon.model.instance import Instance
from tests.api.routes.backups import add_snapshot
from tests.api.routes.world import GROUP, SNAPSHOT_ID, V1, V2, V2_TYPE, World

MEBIBYTE = 1024 * 1024


def jobs_of(prefix: str) -> str:
    return f"{prefix}/groups/{GROUP}/serverless/orders/backup/restoreJobs"


def wanted(**changes: object) -> dict[str, object]:
    return {
        "deliveryType": "automated",
        "snapshotId": SNAPSHOT_ID,
        "targetClusterName": "orders",
        "targetGroupId": GROUP,
        **changes,
    }


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in wanted().items() if key != name}


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.fixture(autouse=True)
def source(world: World, orders: Instance) -> Instance:
    """An instance with a completed snapshot."""
    add_snapshot(world, orders)
    return orders


@pytest.mark.parametrize(
    "field",
    [
        "cancelled",
        "createdAt",
        "deliveryUrl",
        "desiredTimestamp",
        "expired",
        "expiresAt",
        "failed",
        "finishedAt",
        "id",
        "instanceName",
        "links",
        "targetDeploymentItemName",
        "timestamp",
    ],
)
async def test_a_read_only_field_is_ignored(client: httpx.AsyncClient, field: str) -> None:
    answer = await client.post(jobs_of(V1), json=wanted(**{field: "2026-03-01T12:00:00Z"}))

    assert answer.status_code == 201


@pytest.mark.parametrize("value", [None, 7, [], {"date": None}])
async def test_a_read_only_field_may_hold_anything(
    client: httpx.AsyncClient, value: object
) -> None:
    answer = await client.post(jobs_of(V1), json=wanted(desiredTimestamp=value))

    assert answer.status_code == 201


async def test_a_read_only_field_does_not_come_back(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(failed=True, id=SNAPSHOT_ID))

    assert (answer.json()["failed"], answer.json()["id"] == SNAPSHOT_ID) == (False, False)


@pytest.mark.parametrize("field", ["colour", "DeliveryType", "snapshot_id", "", "targetGroupID"])
async def test_an_unknown_field_is_refused_by_name(
    client: httpx.AsyncClient, atlas: str, field: str
) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(**{field: "x"}))

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": f"Invalid attribute {field} specified.",
            "error": 400,
            "errorCode": "INVALID_ATTRIBUTE",
            "parameters": [field],
            "reason": "Bad Request",
        },
    )


async def test_a_long_unknown_name_is_cut_off(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(**{"x" * 5_000: 1}))

    assert told(answer) == (400, "INVALID_ATTRIBUTE", ["x" * 100])


@pytest.mark.parametrize(
    "field", ["deliveryType", "snapshotId", "targetClusterName", "targetGroupId"]
)
async def test_a_missing_field_is_refused_by_name(
    client: httpx.AsyncClient, atlas: str, field: str
) -> None:
    answer = await client.post(jobs_of(atlas), json=without(field))

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": f"The required attribute {field} was not specified.",
            "error": 400,
            "errorCode": "MISSING_ATTRIBUTE",
            "parameters": [field],
            "reason": "Bad Request",
        },
    )


async def test_what_is_null_is_left_out(client: httpx.AsyncClient, atlas: str) -> None:
    """Clients with a model of the whole body write null for what was not asked for."""
    body = wanted(oplogTs=None, oplogInc=None, pointInTimeUTCSeconds=None)
    answer = await client.post(jobs_of(atlas), json=body)

    assert answer.is_success


@pytest.mark.parametrize("empty", ["", None])
@pytest.mark.parametrize("field", ["snapshotId", "targetClusterName", "targetGroupId"])
async def test_an_empty_field_is_as_good_as_missing(
    client: httpx.AsyncClient, atlas: str, field: str, empty: str | None
) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(**{field: empty}))

    assert told(answer) == (400, "MISSING_ATTRIBUTE", [field])


@pytest.mark.parametrize(
    "value",
    ["AUTOMATED", "", "'it's'", "'\"\n", "a - at `$.x`", "Object missing required field `x`"],
)
async def test_an_unknown_delivery_type_is_refused_by_its_value(
    client: httpx.AsyncClient, atlas: str, value: str
) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(deliveryType=value))

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": f"An invalid enumeration value {value} was specified.",
            "error": 400,
            "errorCode": "INVALID_ENUM_VALUE",
            "parameters": [value],
            "reason": "Bad Request",
        },
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("deliveryType", 1),
        ("deliveryType", None),
        ("deliveryType", ["automated"]),
        ("snapshotId", 1),
        ("snapshotId", {}),
        ("targetClusterName", True),
        ("targetGroupId", []),
        ("pointInTimeUTCSeconds", "1700000000"),
        ("oplogTs", 1.5),
        ("oplogInc", True),
    ],
)
async def test_a_value_of_the_wrong_type_is_refused_by_the_fields_name(
    client: httpx.AsyncClient, atlas: str, field: str, value: object
) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(**{field: value}))

    assert told(answer) == (400, "INVALID_ATTRIBUTE", [field])


@pytest.mark.parametrize("value", ["1", "65A0000000000000000000B1", f"{SNAPSHOT_ID}0", "latest"])
async def test_a_snapshot_id_of_another_shape_is_refused(
    client: httpx.AsyncClient, atlas: str, value: str
) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(snapshotId=value))

    assert told(answer) == (400, "INVALID_ATTRIBUTE", ["snapshotId"])


@pytest.mark.parametrize("value", ["a_b", "-a", "a b", "é", "a" * 65])
async def test_a_target_name_of_another_shape_is_refused(
    client: httpx.AsyncClient, atlas: str, value: str
) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(targetClusterName=value))

    assert told(answer) == (400, "CLUSTER_NAME_INVALID", [value])


async def test_a_target_group_id_of_another_shape_is_refused(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(targetGroupId="mine"))

    assert told(answer) == (404, "INVALID_GROUP_ID", ["mine"])


# Points in time: what comes of them is in test_points_in_time.py


@pytest.mark.parametrize(
    "moment",
    [
        {},
        {"oplogTs": 1_772_000_000},
        {"oplogInc": 1},
        {"pointInTimeUTCSeconds": 1_772_000_000, "oplogTs": 1_772_000_000, "oplogInc": 1},
    ],
)
async def test_a_moment_is_given_in_one_way(
    client: httpx.AsyncClient, atlas: str, moment: dict[str, int]
) -> None:
    body = {**without("snapshotId"), "deliveryType": "pointInTime", **moment}
    answer = await client.post(jobs_of(atlas), json=body)

    assert told(answer) == (400, "INVALID_PIT_RESTORE_TIME", [])


@pytest.mark.parametrize(
    "moment", [{"pointInTimeUTCSeconds": 1_199_145_599}, {"oplogTs": 1, "oplogInc": 1}]
)
async def test_a_moment_from_before_2008_is_refused(
    client: httpx.AsyncClient, atlas: str, moment: dict[str, int]
) -> None:
    body = {**without("snapshotId"), "deliveryType": "pointInTime", **moment}
    answer = await client.post(jobs_of(atlas), json=body)

    assert told(answer) == (400, "INVALID_ATTRIBUTE", [next(iter(moment))])


@pytest.mark.parametrize("missing", ["targetClusterName", "targetGroupId"])
async def test_a_point_in_time_needs_a_target(
    client: httpx.AsyncClient, atlas: str, missing: str
) -> None:
    body = {
        **without(missing),
        "deliveryType": "pointInTime",
        "pointInTimeUTCSeconds": 1_772_000_000,
    }
    answer = await client.post(jobs_of(atlas), json=body)

    assert told(answer) == (400, "MISSING_ATTRIBUTE", [missing])


# What is no object


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b'{"deliveryType":',
        b"{'deliveryType':'automated'}",
        b'{"a":1,}',
        b"{} {}",
        b"\xff\xfe",
        b'{"a":"\xff"}',
        b"NaN",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
    ],
)
async def test_what_is_no_json_is_malformed(
    client: httpx.AsyncClient, atlas: str, text: bytes
) -> None:
    answer = await client.post(
        jobs_of(atlas), content=text, headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": "Received JSON is malformed.",
            "error": 400,
            "errorCode": "MALFORMED_JSON",
            "parameters": [],
            "reason": "Bad Request",
        },
    )


@pytest.mark.parametrize("text", [b"null", b"[]", b"[{}]", b'"automated"', b"1", b"true"])
async def test_what_is_no_object_does_not_match(
    client: httpx.AsyncClient, atlas: str, text: bytes
) -> None:
    answer = await client.post(
        jobs_of(atlas), content=text, headers={"Content-Type": "application/json"}
    )

    assert told(answer) == (400, "INVALID_JSON", [])


async def test_a_body_of_one_mebibyte_is_read(client: httpx.AsyncClient) -> None:
    text = json.dumps(wanted()).encode().ljust(MEBIBYTE)
    answer = await client.post(jobs_of(V1), content=text)

    assert answer.status_code == 201


async def test_a_body_over_one_mebibyte_is_too_large(client: httpx.AsyncClient, atlas: str) -> None:
    text = json.dumps(wanted()).encode().ljust(MEBIBYTE + 1)
    answer = await client.post(jobs_of(atlas), content=text)

    assert (answer.status_code, answer.json()["errorCode"]) == (413, "REQUEST_BODY_TOO_LARGE")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", V2_TYPE, f"{V2_TYPE};charset=utf-8"],
)
async def test_v2_reads_plain_json_and_its_own_type_alike(
    client: httpx.AsyncClient, content_type: str
) -> None:
    answer = await client.post(
        jobs_of(V2), content=json.dumps(wanted()), headers={"Content-Type": content_type}
    )

    assert answer.status_code == 200
