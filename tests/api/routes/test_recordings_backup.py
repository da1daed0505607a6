"""Answers about instances and their backups, held against recorded ones of Atlas.

Body for body: the same keys in the same order, the same types, the same nulls, the same links; and
the same header fields but for the volatile ones.
"""

import json
import re
from typing import Any

import httpx
import pytest

from tests.api.routes.recorded_backups import CASES, ERRORS, LEFT
from tests.api.routes.recorded_scenes import Case, Scene
from tests.api.routes.test_recordings_access import (
    RECORDINGS,
    kept,
    link_shapes,
    recorded,
    shape,
)
from tests.api.routes.world import V2, World

NEWEST = "application/vnd.atlas.2025-03-12+json"
# Sent with TELAMON_ATLAS_SUNSET_HEADERS only.
OPTIONAL = {"deprecation", "sunset"}


pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason=f"there are no recordings at {RECORDINGS}"
)


def without(value: Any, less: set[str], place: str = "") -> Any:
    """Less the keys that are named, each by its place."""
    if isinstance(value, list):
        return [without(each, less, place) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without(inner, less, f"{place}{key}.")
        for key, inner in value.items()
        if f"{place}{key}" not in less
    }


def links_of(body: Any) -> list[tuple[str, str]]:
    """Distinct ones, with names for what they are."""
    named = re.compile(r"/(clusters|flexClusters|serverless)/[^/?]+")
    found = []
    for rel, href in link_shapes(body):
        here = href.replace("https://cloud-dev.mongodb.com", "HOST")
        # The group of a schedule is linked at an address that Atlas itself has given up.
        here = here.replace("/api/public/v1.0/", f"{V2}/")
        found.append((rel, named.sub(r"/\1/NAME", here)))
    return list(dict.fromkeys(found))


def own_fields(headers: httpx.Headers) -> dict[str, str]:
    return kept({key.lower(): value for key, value in headers.items()})


async def ask(client: httpx.AsyncClient, world: World, case: Case) -> httpx.Response:
    case.setting(Scene(world))
    client.headers["Accept"] = case.accept
    for method, url, body in case.first:
        assert (await client.request(method, url, json=body)).is_success
    return await client.request(case.method, case.url, json=case.body)


def each(cases: tuple[Case, ...]) -> pytest.MarkDecorator:
    pairs = [pytest.param(case, name, id=name) for case in cases for name in case.recordings]
    return pytest.mark.parametrize(("case", "name"), pairs)


@each(CASES)
async def test_an_answer_is_like_the_recorded_one(
    world: World, client: httpx.AsyncClient, case: Case, name: str
) -> None:
    expected = recorded(name)

    answer = await ask(client, world, case)

    fields = {key: value for key, value in kept(expected.headers).items() if key not in OPTIONAL}
    assert (answer.status_code, own_fields(answer.headers)) == (expected.status, fields)
    if not expected.body:
        assert answer.content == b""
        return
    body, model = answer.json(), json.loads(expected.body)
    assert shape(body) == shape(without(model, case.less))
    assert without(body, case.less) == body  # or it is not left out at all
    assert links_of(body) == links_of(model)


@each(ERRORS)
async def test_an_error_is_the_recorded_one_with_other_names(
    world: World, client: httpx.AsyncClient, case: Case, name: str
) -> None:
    expected = recorded(name)
    model = json.loads(expected.body)

    client.headers["Accept"] = NEWEST
    case.setting(Scene(world))
    answer = await client.request(case.method, case.url, json=case.body)

    text = json.dumps(model, separators=(",", ":"))
    told = list(re.findall(r"[0-9a-f]{24}|cluster [\w-]+ in", " ".join(model["parameters"])))
    ours = list(
        re.findall(r"[0-9a-f]{24}|cluster [\w-]+ in", " ".join(answer.json()["parameters"]))
    )
    whole = zip(model["parameters"], answer.json()["parameters"], strict=True)
    for theirs, own in [*zip(told, ours, strict=True), *whole]:
        text = text.replace(theirs, own)
    assert (answer.status_code, answer.text) == (expected.status, text)
    fields = own_fields(answer.headers)
    if "x-error-code" not in expected.headers:  # Atlas has sent it since November 2025
        assert fields.pop("x-error-code") == model["errorCode"]
    recorded_fields = kept(expected.headers)
    assert fields == {key: recorded_fields[key] for key in recorded_fields if key not in OPTIONAL}


def test_every_recording_of_these_resources_is_held_against_an_answer() -> None:
    held = {name for case in (*CASES, *ERRORS) for name in case.recordings}
    there = {
        path.stem
        for path in RECORDINGS.glob("*.http")
        if re.search(r"groups_ID_(serverless|flexClusters|clusters)", path.stem)
        and not path.stem.startswith("401")
    }

    assert held | LEFT == there
    assert not held & LEFT
