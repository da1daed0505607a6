"""Bodies of a request for an instance: what is ignored, what is refused and how."""

import httpx
import pytest

from tests.api.routes.world import GROUP, V1, V2

SETTINGS = {"backingProviderName": "AWS", "regionName": "US_EAST_1"}
INSTANCES = {prefix: f"{prefix}/groups/{GROUP}/serverless" for prefix in (V1, V2)}


def wanted(**changes: object) -> dict[str, object]:
    return {"name": "orders", "providerSettings": SETTINGS, **changes}


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.mark.parametrize(
    "field",
    [
        "connectionStrings",
        "createDate",
        "groupId",
        "id",
        "links",
        "mongoDBVersion",
        "stateName",
    ],
)
async def test_a_read_only_field_is_ignored(client: httpx.AsyncClient, field: str) -> None:
    answer = await client.post(INSTANCES[V1], json=wanted(**{field: ["anything"]}))

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "field",
    ["effectiveDiskSizeGBLimit", "effectiveInstanceSizeName", "effectiveProviderName"],
)
async def test_a_read_only_field_of_the_provider_is_ignored(
    client: httpx.AsyncClient, field: str
) -> None:
    body = wanted(providerSettings={**SETTINGS, field: 5})
    answer = await client.post(INSTANCES[V1], json=body)

    assert answer.json()["providerSettings"] == {
        "backingProviderName": "AWS",
        "providerName": "SERVERLESS",
        "regionName": "US_EAST_1",
    }


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"colour": "blue"}, "colour"),
        ({"clusterType": "SHARDED"}, "clusterType"),
        ({"providerSettings": {**SETTINGS, "diskSizeGB": 10}}, "providerSettings.diskSizeGB"),
        ({"serverlessBackupOptions": {"colour": 1}}, "serverlessBackupOptions.colour"),
        ({"tags": [{"key": "a", "value": "b", "colour": 1}]}, "tags[0].colour"),
    ],
)
async def test_an_unknown_field_is_refused_by_name_at_any_depth(
    client: httpx.AsyncClient, atlas: str, change: dict[str, object], name: str
) -> None:
    answer = await client.post(INSTANCES[atlas], json=wanted(**change))

    assert told(answer) == (400, "INVALID_ATTRIBUTE", [name])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"name": ""}, "name"),
        ({"name": 1}, "name"),
        ({"name": None}, "name"),
        ({"providerSettings": None}, "providerSettings"),
        ({"providerSettings": "AWS"}, "providerSettings"),
        ({"providerSettings": {**SETTINGS, "regionName": ""}}, "providerSettings.regionName"),
        ({"providerSettings": {**SETTINGS, "regionName": 7}}, "providerSettings.regionName"),
        (
            {"serverlessBackupOptions": {"serverlessContinuousBackupEnabled": "yes"}},
            "serverlessBackupOptions.serverlessContinuousBackupEnabled",
        ),
        ({"tags": {}}, "tags"),
        ({"tags": ["env"]}, "tags[0]"),
        ({"tags": [{"key": "", "value": "x"}]}, "tags[0].key"),
        ({"tags": [{"key": "x" * 256, "value": "x"}]}, "tags[0].key"),
        ({"tags": [{"key": "x", "value": "x" * 256}]}, "tags[0].value"),
        ({"terminationProtectionEnabled": 1}, "terminationProtectionEnabled"),
    ],
)
async def test_a_value_of_the_wrong_kind_is_refused_by_the_fields_name(
    client: httpx.AsyncClient, atlas: str, change: dict[str, object], name: str
) -> None:
    answer = await client.post(INSTANCES[atlas], json=wanted(**change))

    assert told(answer) == (400, "INVALID_ATTRIBUTE", [name])


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"providerSettings": SETTINGS}, "name"),
        ({"name": "orders"}, "providerSettings"),
        (wanted(providerSettings={"regionName": "X"}), "providerSettings.backingProviderName"),
        (wanted(providerSettings={"backingProviderName": "AWS"}), "providerSettings.regionName"),
        (wanted(tags=[{"key": "a"}]), "tags[0].value"),
    ],
)
async def test_a_missing_field_is_refused_by_name_at_any_depth(
    client: httpx.AsyncClient, atlas: str, body: dict[str, object], name: str
) -> None:
    answer = await client.post(INSTANCES[atlas], json=body)

    assert told(answer) == (400, "MISSING_ATTRIBUTE", [name])


@pytest.mark.parametrize("field", ["backingProviderName", "providerName"])
async def test_an_unknown_provider_is_refused_by_its_value(
    client: httpx.AsyncClient, atlas: str, field: str
) -> None:
    body = wanted(providerSettings={**SETTINGS, field: "TENANT"})
    answer = await client.post(INSTANCES[atlas], json=body)

    assert told(answer) == (400, "INVALID_ENUM_VALUE", ["TENANT"])


@pytest.mark.parametrize("provider", ["AWS", "AZURE", "GCP"])
async def test_a_known_provider_comes_back(client: httpx.AsyncClient, provider: str) -> None:
    settings = {"backingProviderName": provider, "regionName": "EUROPE_NORTH"}
    answer = await client.post(INSTANCES[V2], json=wanted(providerSettings=settings))

    assert answer.json()["providerSettings"] == {
        "backingProviderName": provider,
        "providerName": "SERVERLESS",
        "regionName": "EUROPE_NORTH",
    }


@pytest.mark.parametrize(
    ("text", "code"), [(b"", "MALFORMED_JSON"), (b"{", "MALFORMED_JSON"), (b"null", "INVALID_JSON")]
)
async def test_what_is_no_object_is_refused(
    client: httpx.AsyncClient, atlas: str, text: bytes, code: str
) -> None:
    answer = await client.post(INSTANCES[atlas], content=text)

    assert told(answer) == (400, code, [])


async def test_a_body_over_one_mebibyte_is_too_large(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.post(INSTANCES[atlas], content=b" " * (1024 * 1024 + 1))

    assert told(answer) == (413, "REQUEST_BODY_TOO_LARGE", ["1048576"])
