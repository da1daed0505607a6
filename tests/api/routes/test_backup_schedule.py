"""The backup schedule of a dedicated cluster: shown, changed, emptied."""

from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from telamon.model.instance import Instance
from tests.api.routes.kinds import DEDICATED, DEDICATED_ID, POLICY_ID, add_dedicated
from tests.api.routes.world import GROUP, V2, World

ITEMS: list[dict[str, Any]] = [
    {
        "frequencyInterval": interval,
        "frequencyType": frequency,
        "retentionUnit": unit,
        "retentionValue": value,
    }
    for frequency, interval, unit, value in (
        ("hourly", 6, "days", 2),
        ("daily", 1, "days", 7),
        ("weekly", 6, "weeks", 4),
        ("monthly", 40, "months", 12),
        ("yearly", 12, "years", 1),
    )
]


def schedule_at(prefix: str) -> str:
    return f"{prefix}/groups/{GROUP}/clusters/{DEDICATED}/backup/schedule"


def with_items(*items: dict[str, Any]) -> dict[str, Any]:
    return {"policies": [{"policyItems": [*items]}]}


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.fixture
def fixed(world: World) -> Instance:
    """A dedicated cluster."""
    return add_dedicated(world)


@pytest.mark.usefixtures("fixed")
async def test_a_new_schedule_is_this_to_the_byte(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(schedule_at(atlas))

    group = f"http://telamon.test{atlas}/groups/{GROUP}"
    assert (answer.status_code, answer.text) == (
        200,
        f'{{"autoExportEnabled":false,"clusterId":"{DEDICATED_ID}","clusterName":"{DEDICATED}",'
        '"copyPolicyItemsEnabled":false,"copySettings":[],"links":'
        f'[{{"href":"{group}/clusters/{DEDICATED}/backup/schedule","rel":"self"}},'
        f'{{"href":"{group}","rel":"https://cloud.mongodb.com/group"}}],'
        f'"policies":[{{"id":"{POLICY_ID}","policyItems":[]}}],"referenceHourOfDay":12,'
        '"referenceMinuteOfHour":0,"restoreWindowDays":7,'
        '"useOrgAndGroupNamesInExportPrefix":false}',
    )


@pytest.mark.parametrize("date", ["2023-01-01", "2024-08-05"])
@pytest.mark.usefixtures("fixed")
async def test_both_versions_have_it(client: httpx.AsyncClient, date: str) -> None:
    accept = {"Accept": f"application/vnd.atlas.{date}+json"}

    answer = await client.get(schedule_at(V2), headers=accept)

    assert answer.headers["Content-Type"] == f"application/vnd.atlas.{date}+json;charset=utf-8"
    assert answer.json()["clusterId"] == DEDICATED_ID


@pytest.mark.usefixtures("fixed")
async def test_rules_that_are_sent_are_kept_in_their_order_and_get_ids(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.patch(schedule_at(atlas), json=with_items(*ITEMS))

    [policy] = answer.json()["policies"]
    ids = {item.pop("id") for item in policy["policyItems"]}
    assert (answer.status_code, policy, len(ids)) == (
        200,
        {"id": POLICY_ID, "policyItems": ITEMS},
        len(ITEMS),
    )


@pytest.mark.usefixtures("fixed")
async def test_what_was_changed_is_read_as_it_was_answered(
    client: httpx.AsyncClient, atlas: str
) -> None:
    changed = (await client.patch(schedule_at(atlas), json=with_items(*ITEMS))).json()

    assert (await client.get(schedule_at(atlas))).json() == changed


@pytest.mark.usefixtures("fixed")
async def test_a_rule_that_is_sent_back_keeps_its_id(client: httpx.AsyncClient) -> None:
    [policy] = (await client.patch(schedule_at(V2), json=with_items(*ITEMS[:2]))).json()["policies"]
    hourly, daily = policy["policyItems"]
    body = with_items({**daily, "retentionValue": 9}, ITEMS[2])

    [changed] = (await client.patch(schedule_at(V2), json=body)).json()["policies"]

    kept, new = changed["policyItems"]
    assert kept == {**daily, "retentionValue": 9}
    assert new["id"] not in {hourly["id"], daily["id"]}


@pytest.mark.usefixtures("fixed")
async def test_no_two_rules_have_one_id(client: httpx.AsyncClient) -> None:
    [policy] = (await client.patch(schedule_at(V2), json=with_items(ITEMS[0]))).json()["policies"]
    [item] = policy["policyItems"]
    body = with_items(item, item, {**ITEMS[1], "id": "made up"})

    [changed] = (await client.patch(schedule_at(V2), json=body)).json()["policies"]

    ids = [each["id"] for each in changed["policyItems"]]
    assert (ids[0], len(set(ids)), "made up" in ids) == (item["id"], 3, False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("referenceHourOfDay", 23),
        ("referenceMinuteOfHour", 59),
        ("restoreWindowDays", 3),
        ("useOrgAndGroupNamesInExportPrefix", True),
    ],
)
@pytest.mark.usefixtures("fixed")
async def test_one_field_is_changed_and_the_rest_stays(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    before = (await client.patch(schedule_at(V2), json=with_items(*ITEMS))).json()

    changed = (await client.patch(schedule_at(V2), json={field: value})).json()

    del before["nextSnapshot"], changed["nextSnapshot"]
    assert changed == {**before, field: value}


@pytest.mark.usefixtures("fixed")
async def test_a_whole_schedule_can_be_sent_back(client: httpx.AsyncClient, atlas: str) -> None:
    before = (await client.patch(schedule_at(atlas), json=with_items(*ITEMS))).json()

    changed = (await client.patch(schedule_at(atlas), json=before)).json()

    assert changed == before


@pytest.mark.usefixtures("fixed")
async def test_deleting_takes_every_rule_away_and_nothing_else(
    client: httpx.AsyncClient, atlas: str
) -> None:
    empty = (await client.patch(schedule_at(atlas), json={"referenceHourOfDay": 4})).json()
    await client.patch(schedule_at(atlas), json=with_items(*ITEMS))

    answer = await client.delete(schedule_at(atlas))

    assert (answer.status_code, answer.json()) == (200, empty)
    assert (await client.get(schedule_at(atlas))).json() == empty


@pytest.mark.parametrize(
    ("frequency", "interval"),
    [
        ("hourly", 3),
        ("hourly", 24),
        ("daily", 2),
        ("weekly", 0),
        ("weekly", 8),
        ("monthly", 29),
        ("monthly", 41),
        ("yearly", 13),
    ],
)
@pytest.mark.usefixtures("fixed")
async def test_an_interval_that_the_frequency_does_not_have_is_refused(
    client: httpx.AsyncClient, frequency: str, interval: int
) -> None:
    item = {**ITEMS[0], "frequencyType": frequency, "frequencyInterval": interval}

    answer = await client.patch(schedule_at(V2), json=with_items(item))

    assert told(answer) == (400, "INVALID_ATTRIBUTE", ["frequencyInterval"])


@pytest.mark.parametrize(
    ("body", "code", "parameters"),
    [
        ({"colour": "blue"}, "INVALID_ATTRIBUTE", ["colour"]),
        ({"referenceHourOfDay": 24}, "INVALID_ATTRIBUTE", ["referenceHourOfDay"]),
        ({"referenceMinuteOfHour": 60}, "INVALID_ATTRIBUTE", ["referenceMinuteOfHour"]),
        ({"restoreWindowDays": 0}, "INVALID_ATTRIBUTE", ["restoreWindowDays"]),
        (
            {"policies": [{"policyItems": []}, {"policyItems": []}]},
            "INVALID_ATTRIBUTE",
            ["policies"],
        ),
        (
            with_items({**ITEMS[0], "frequencyType": "ondemand"}),
            "INVALID_ENUM_VALUE",
            ["ondemand"],
        ),
        (
            with_items({**ITEMS[0], "retentionValue": 0}),
            "INVALID_ATTRIBUTE",
            ["policies[0].policyItems[0].retentionValue"],
        ),
        (
            {"autoExportEnabled": True},
            "FEATURE_UNSUPPORTED",
            ["automatic export of snapshots"],
        ),
        (
            {"copySettings": [{"regionName": "EU_WEST_1"}]},
            "FEATURE_UNSUPPORTED",
            ["copies of snapshots in other regions"],
        ),
        (
            {"extraRetentionSettings": [{"retentionDays": 3}]},
            "FEATURE_UNSUPPORTED",
            ["extra retention"],
        ),
    ],
)
@pytest.mark.usefixtures("fixed")
async def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, body: dict[str, Any], code: str, parameters: list[str]
) -> None:
    before = (await client.get(schedule_at(V2))).json()

    answer = await client.patch(schedule_at(V2), json={"restoreWindowDays": 5, **body})

    status = 403 if code == "FEATURE_UNSUPPORTED" else 400
    assert told(answer) == (status, code, parameters)
    assert (await client.get(schedule_at(V2))).json() == before


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_cluster_without_a_schedule_says_so(
    world: World, client: httpx.AsyncClient, fixed: Instance, atlas: str, method: str
) -> None:
    world.db.transact(lambda tx: tx.execute(sa.text("DELETE FROM backup_schedule")))

    answer = await client.request(method, schedule_at(atlas))

    assert (*told(answer), answer.json()["detail"]) == (
        404,
        "BACKUP_CONFIG_NOT_FOUND",
        [fixed.id, GROUP],
        f"No backup configuration exists for cluster {fixed.id} in group {GROUP}.",
    )
