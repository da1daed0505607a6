"""The OpenAPI document of the API, made of the table of routes and the structs of bodies."""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from telamon import __version__
from telamon.api import answers, headers, oauth, paging, render
from telamon.api.call import Answer, Link, Route, Surface
from telamon.api.media_type import of_version
from telamon.api.openapi_schemas import Schema, referred, schemas_of, struct_of
from telamon.api.path_params import PATTERNS

PATH = "/openapi.json"

_VARIABLE = re.compile(r"\{(\w+)\}")
_JSON = "application/json"
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean", "default": False}

_PARAMETERS: Mapping[str, tuple[str, Schema]] = {
    "pretty": ("Indents the body.", _FLAG),
    "envelope": (
        "Puts status and body into an object, `status` and `content`, that comes with status 200 "
        "whatever happened. The body of a list gets `status` as a field of its own instead.",
        _FLAG,
    ),
    "pageNum": (
        "Which page, from 1.",
        {"type": "integer", "minimum": 1, "maximum": paging.PAGE_NUM_MAX, "default": 1},
    ),
    "itemsPerPage": (
        "How many; what is above the maximum counts as that.",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": paging.ITEMS_PER_PAGE_MAX,
            "default": paging.ITEMS_PER_PAGE_DEFAULT,
        },
    ),
    "includeCount": (
        "Whether `totalCount` is in the answer.",
        {"type": "boolean", "default": True},
    ),
}
_EVERYWHERE = ("pretty", "envelope")
_OF_LISTS = ("pageNum", "itemsPerPage", "includeCount")
_SEVERAL: Schema = {"type": "array", "items": _TEXT}
_REPEATED = frozenset({"providers", "tier", "endpointPath"})

_API_ERROR: Schema = {
    "type": "object",
    "description": "`errorCode` and `parameters` are missing where nobody known asks.",
    "properties": {
        "detail": _TEXT,
        "error": {"type": "integer", "description": "The HTTP status."},
        "errorCode": _TEXT,
        "parameters": {"type": "array"},
        "reason": _TEXT,
    },
    "required": ["detail", "error", "reason"],
}
_EMPTY: Schema = {"type": "object", "maxProperties": 0}


class OpenApi:
    """Serves the document, to everybody: it says nothing that the project's pages do not."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes

    def mounted(self) -> StarletteRoute:
        mounted = StarletteRoute(PATH, self._answer, methods=["GET"])
        assert mounted.methods is not None
        mounted.methods.discard("HEAD")
        return mounted

    async def _answer(self, request: Request) -> Response:
        del request
        return answers.of_bytes(200, self._encoded, headers.of_document())

    @functools.cached_property
    def _encoded(self) -> bytes:
        return render.to_json(document(self._routes))


def document(routes: Sequence[Route]) -> Schema:
    """OpenAPI 3.1, with every route on each of its surfaces. An id on version 1.0 ends in ``V1``."""
    named, schemas = schemas_of(routes)
    paths: dict[str, Schema] = {}
    for route in routes:
        for surface in route.surfaces:
            whole = f"{surface.value}{route.path}"
            paths.setdefault(whole, {})[route.method.lower()] = _operation(route, surface, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Telamon",
            "description": "Backup and restore of MongoDB, as the Atlas Administration API has it.",
            "version": __version__,
        },
        "servers": [{"url": "/"}],
        "security": [{"DigestAuth": []}, {"ServiceAccounts": []}],
        "paths": {**dict(sorted(paths.items())), **oauth.DOCUMENT},
        "components": {
            "schemas": {**schemas, "ApiError": _API_ERROR},
            "parameters": {
                name: {"name": name, "in": "query", "description": description, "schema": schema}
                for name, (description, schema) in _PARAMETERS.items()
            },
            "responses": {"Error": _response("Refused, or failed.", {_JSON: referred("ApiError")})},
            "securitySchemes": {
                "ClientBasic": {"type": "http", "scheme": "basic"},
                "DigestAuth": {"type": "http", "scheme": "digest"},
                "ServiceAccounts": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"With a token that {oauth.TOKEN_PATH} sold.",
                },
            },
        },
    }


def _operation(route: Route, surface: Surface, named: Mapping[type, str]) -> Schema:
    is_v1 = surface is Surface.V1
    answer = route.answer_v1 if is_v1 and route.answer_v1 else route.answer
    types = [_JSON]
    if surface is Surface.V2:
        types = [of_version(version) for version in route.versions]
    responses: Schema = {"default": {"$ref": "#/components/responses/Error"}}
    if answer is not None:
        success = dict.fromkeys(types, _success(answer, named))
        content = None if answer.status == answers.NO_CONTENT else success
        responses = {str(answer.status): _response("Done.", content), **responses}
    found: Schema = {
        "operationId": f"{route.operation_id}V1" if is_v1 else route.operation_id,
        "parameters": [
            *(_path_parameter(name) for name in _VARIABLE.findall(route.path)),
            *(_query_parameter(name) for name in _query(route, answer)),
        ],
        "responses": responses,
    }
    if route.body is not None:
        schema = _body(route, named)
        accepted = types if surface is not Surface.V2 else [*types, _JSON]
        found["requestBody"] = {
            "required": True,
            "content": {each: {"schema": schema} for each in accepted},
        }
    if route.sunset is not None:
        found["deprecated"] = True
    return found


def _query(route: Route, answer: Answer | None) -> Iterator[str]:
    yield from route.query
    yield from _EVERYWHERE
    if answer is not None and answer.is_list:
        yield from _OF_LISTS


def _path_parameter(name: str) -> Schema:
    pattern = PATTERNS.get(name)
    schema = {**_TEXT, "minLength": 1} if pattern is None else {**_TEXT, "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(name: str) -> Schema:
    if name in _PARAMETERS:
        return {"$ref": f"#/components/parameters/{name}"}
    return {"name": name, "in": "query", "schema": _SEVERAL if name in _REPEATED else _TEXT}


def _body(route: Route, named: Mapping[type, str]) -> Schema:
    struct = struct_of(route.body)
    assert struct is not None
    schema = referred(named[struct])
    return schema if struct is route.body else {"type": "array", "items": schema}


def _success(answer: Answer, named: Mapping[type, str]) -> Schema:
    if answer.body is None:
        return _EMPTY
    schema = referred(named[answer.body])
    if not answer.is_list:
        return schema
    return {
        "type": "object",
        "properties": {
            "links": {"type": "array", "items": referred(named[Link])},
            "results": {"type": "array", "items": schema},
            "totalCount": {"type": "integer"},
        },
        "required": ["links", "results"],
    }


def _response(description: str, content: Mapping[str, Schema] | None) -> Schema:
    if content is None:
        return {"description": description}
    return {
        "description": description,
        "content": {kind: {"schema": schema} for kind, schema in content.items()},
    }
