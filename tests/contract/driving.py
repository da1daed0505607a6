"""Requests that schemathesis makes of a description, sent to a server, and what answers must be."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.routes.every_route import Filled
from tests.contract.server import Served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
TIMEOUT_SECONDS = 60
READS = ("GET", "HEAD")

Operation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Operation]


def drive(
    operation: Operation,
    served: Served,
    *,
    names: Mapping[str, str],
    accept: str,
    examples: int,
    fields: Collection[str] | None = None,
    is_anonymous: bool = False,
) -> None:
    """Three fifths of the examples are valid and name what there is.

    One fifth names anything at the end of the path. The last fifth breaks the description somewhere,
    and names what there is. Each example that may change something begins with the database as it
    was filled. With ``fields``, a valid body has none but those.
    """
    fifth = examples // 5
    bound = {each.name: names[each.name] for each in operation.path_parameters}

    def send(case: AnyCase) -> None:
        if operation.method.upper() not in READS:
            served.begin_anew()
        response = case.call(
            base_url=served.url,
            session=served.anonymous if is_anonymous else served.session,
            headers={"Accept": accept},
            timeout=TIMEOUT_SECONDS,
        )
        case.validate_response(opened(response), checks=CHECKS)

    def send_named(case: AnyCase) -> None:
        case.body = _naming(_kept(case.body, fields), names)
        send(case)

    served.begin_anew()
    valid, broken = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
    can_break = bool(operation.query) or bool(operation.body)
    _each(operation, valid, (3 if can_break else 4) * fifth, send_named, path_parameters=bound)
    _each(operation, valid, fifth, send, path_parameters=dict([*bound.items()][:-1]))
    if can_break:
        _each(operation, broken, fifth, send, path_parameters=bound)


def _each(
    operation: Operation,
    mode: GenerationMode,
    examples: int,
    send: Callable[[AnyCase], None],
    **fixed: Any,
) -> None:
    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode, **fixed))
    def run(case: AnyCase) -> None:
        send(case)

    run()


def credentials(filled: Filled) -> dict[str, str]:
    """What a service account buys tokens with."""
    return {
        "client_id": filled.account.account.public_key,
        "client_secret": filled.account.secret.value,
    }


def opened(response: Response) -> Response:
    """What an envelope holds, as it would have come without; a list keeps its ``status``."""
    query = parse_qs(urlsplit(response.request.url or "").query)
    if query.get("envelope", [""])[0].lower() != "true" or response.status_code == 204:
        return response
    body = json.loads(response.content)
    if "content" not in body:
        return response
    is_empty = body["status"] == 204
    return with_body(
        response, b"" if is_empty else json.dumps(body["content"]).encode(), body["status"]
    )


def with_body(response: Response, content: bytes, status: int) -> Response:
    return Response(
        status_code=status,
        headers=response.headers,
        content=content,
        request=response.request,
        elapsed=response.elapsed,
        verify=response.verify,
        encoding=response.encoding,
    )


def _kept(body: Any, fields: Collection[str] | None) -> Any:
    if fields is None:
        return body
    if isinstance(body, list):
        return [_kept(each, fields) for each in body]
    if not isinstance(body, dict):
        return body
    return {key: value for key, value in body.items() if key in fields}


def _naming(body: Any, names: Mapping[str, str]) -> Any:
    """The body with what there is in fields that name something."""
    if isinstance(body, list):
        return [_naming(each, names) for each in body]
    if not isinstance(body, dict):
        return body
    return {
        key: names[_NAMED_BY[key]] if key in _NAMED_BY else _naming(value, names)
        for key, value in body.items()
    }


_NAMED_BY = {
    "snapshotId": "snapshotId",
    "targetClusterName": "instanceName",
    "targetDeploymentItemName": "instanceName",
    "targetGroupId": "groupId",
    "targetProjectId": "groupId",
    "orgId": "orgId",
    "client_id": "client_id",
    "client_secret": "client_secret",
}
