"""The token endpoint: what a service account does to get a token, and to give it back.

OAuth 2.0 client credentials (RFC 6749 section 4.4) and revocation (RFC 7009). Credentials come in an
``Authorization: Basic`` header or in the form; official clients do the one and the other.
"""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telamon.api import answers, headers, paging, render
from telamon.api.origin import base_url, client_address, read_body
from telamon.errors import (
    InvalidClient,
    OAuthRefusal,
    TelamonError,
    TooManyTokenRequests,
    UnsupportedGrantType,
)
from telamon.model.network import Network
from telamon.operations.tokens import Tokens

TOKEN_PATH = "/api/oauth/token"  # noqa: S105  # a path
REVOKE_PATH = "/api/oauth/revoke"
PATHS = frozenset({TOKEN_PATH, REVOKE_PATH})

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


def _described(operation_id: str, form: Mapping[str, object], success: object) -> object:
    """One endpoint for the OpenAPI document; ``form`` is a schema, ``success`` a response."""
    refusal = {
        "type": "object",
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        "required": ["error", "error_description"],
    }
    return {
        "post": {
            "operationId": operation_id,
            "security": [{"ClientBasic": []}, {}],
            "requestBody": {"required": True, "content": {_FORM: {"schema": form}}},
            "responses": {
                "200": success,
                "default": {
                    "description": "Refused, or failed.",
                    "content": {_JSON: {"schema": refusal}},
                },
            },
        }
    }


def _form_of(**required: object) -> Mapping[str, object]:
    credentials = {"client_id": {"type": "string"}, "client_secret": {"type": "string"}}
    return {
        "type": "object",
        "properties": {**credentials, **required},
        "required": list(required),
    }


DOCUMENT = {
    TOKEN_PATH: _described(
        "createOauthToken",
        _form_of(grant_type={"const": "client_credentials"}),
        {
            "description": "A token.",
            "content": {
                _JSON: {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "access_token": {"type": "string"},
                            "expires_in": {"type": "integer", "description": "Seconds."},
                            "token_type": {"const": "Bearer"},
                        },
                        "required": ["access_token", "expires_in", "token_type"],
                    }
                }
            },
        },
    ),
    REVOKE_PATH: _described(
        "revokeOauthToken",
        _form_of(token={"type": "string", "minLength": 1}),
        {"description": "Nobody is let in with it from now on."},
    ),
}
"""Both endpoints as OpenAPI has paths."""


class OAuth:
    """The two endpoints. Whoever asks is not known yet, so that no digest stands before them."""

    def __init__(
        self, tokens: Tokens, public_url: str, trusted_proxies: tuple[Network, ...]
    ) -> None:
        self._tokens = tokens
        self._public_url = public_url
        self._trusted_proxies = trusted_proxies

    def routes(self) -> list[Route]:
        return [
            Route(TOKEN_PATH, self._issue, methods=["POST"]),
            Route(REVOKE_PATH, self._revoke, methods=["POST"]),
        ]

    async def _issue(self, request: Request) -> Response:
        address = client_address(request, self._trusted_proxies)
        try:
            url = f"{base_url(request, self._public_url, self._trusted_proxies)}{TOKEN_PATH}"
            await self._tokens.count_request(address, url)
            form = await _form(request)
            if "grant_type" not in form:
                raise OAuthRefusal("grant_type is missing")
            if form["grant_type"] != "client_credentials":
                raise UnsupportedGrantType
            token = await self._tokens.issue(*_credentials(request, form))
        except TooManyTokenRequests as error:
            seconds = await self._tokens.seconds_to_wait(address)
            return _refusal(error, ("Retry-After", str(seconds)))
        except TelamonError as error:
            return _refusal(error)
        body = {
            "access_token": token.value,
            "expires_in": int(token.life.total_seconds()),
            "token_type": "Bearer",
        }
        return answers.of_bytes(200, render.to_json(body), headers.of_token())

    async def _revoke(self, request: Request) -> Response:
        """An unknown token is as good as revoked (RFC 7009 section 2.2)."""
        try:
            form = await _form(request)
            if not form.get("token"):
                raise OAuthRefusal("token is missing")
            await self._tokens.revoke(*_credentials(request, form), form["token"])
        except TelamonError as error:
            return _refusal(error)
        return answers.of_bytes(200, b"", headers.of_token())


async def _form(request: Request) -> Mapping[str, str]:
    """Names and values; a name that comes twice makes the request invalid."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise OAuthRefusal(f"its content type must be {_FORM}")
    parameters = paging.parse_query(await read_body(request))
    form = dict(parameters)
    if len(form) != len(parameters):
        raise OAuthRefusal("a parameter is given twice")
    return form


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Client id and secret. Raises InvalidClient where there are none."""
    given = request.headers.getlist("authorization")
    if not given:
        return form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, encoded = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "basic":
        raise InvalidClient
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidClient from error
    client_id, _, client_secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(client_secret)


def _refusal(error: TelamonError, *fields: tuple[str, str]) -> Response:
    """In OAuth's shape, the description first as Atlas has it."""
    is_ours = not isinstance(error, OAuthRefusal) and error.status >= 500  # noqa: PLR2004
    if is_ours:
        answers.log_defect(error)
        code, text = "server_error", TelamonError.detail
    elif isinstance(error, OAuthRefusal):
        code, text = error.error_code, error.message
    else:
        code, text = OAuthRefusal.error_code, error.message
    body = render.to_json({"error_description": text, "error": code})
    return answers.of_bytes(error.status, body, [*headers.of_token(), *fields])
