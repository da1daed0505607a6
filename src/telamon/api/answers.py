"""What goes out: replies, errors and challenges as responses."""

from collections.abc import Sequence

import structlog
from starlette.responses import Response

from telamon.api import headers, paging, render
from telamon.api.authentication import Denied
from telamon.api.call import Reply, Surface
from telamon.errors import TelamonError

NO_CONTENT = 204
_log = structlog.get_logger()


def of_reply(
    reply: Reply, fields: headers.Headers, *, is_pretty: bool, is_enveloped: bool
) -> Response:
    """A success. One without a body gets one in an envelope, to arrive in."""
    body, status = reply.body, reply.status
    fields = [*fields, *reply.headers]
    if is_enveloped:
        if reply.is_list and isinstance(body, dict):
            body = render.envelope_list(body, status)
        else:
            body = render.envelope_single({} if status == NO_CONTENT else body, status)
            status = 200 if status == NO_CONTENT else status
    elif status == NO_CONTENT:
        return of_bytes(status, b"", fields)
    data = render.to_json(body)
    return of_bytes(status, render.pretty(data) if is_pretty else data, fields)


def of_error(
    error: TelamonError,
    surface: Surface,
    parameters: paging.Parameters,
    extra: headers.Headers,
) -> Response:
    body: object = render.error_body(error)
    status = error.status
    if _is_true(parameters, "envelope"):
        # For callers who can read neither status nor headers: they want a body that arrives.
        body, status = render.envelope_single(body, status), 200
    data = render.to_json(body)
    if _is_true(parameters, "pretty"):
        data = render.pretty(data)
    log_defect(error)
    return of_bytes(status, data, [*headers.of_error(surface, error.error_code), *extra])


def of_denial(denied: Denied, surface: Surface) -> Response:
    """A 401 for nobody that is known."""
    fields = headers.of_challenge(surface, denied.challenge, has_body=denied.has_body)
    if not denied.has_body:
        return of_bytes(401, b"", fields)
    is_new = surface in (Surface.V2, Surface.PRIVATE)
    body = render.UNAUTHENTICATED_V2 if is_new else render.UNAUTHENTICATED_V1
    return of_bytes(401, body, fields)


def of_bytes(status: int, body: bytes, fields: Sequence[tuple[str, str]]) -> Response:
    """These header fields and no others, but for the length that every body has."""
    response = Response(body, status)
    response.raw_headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in fields
    ]
    if status != NO_CONTENT:
        response.raw_headers.append((b"Content-Length", str(len(body)).encode()))
    return response


def log_defect(error: TelamonError) -> None:
    """Note what is our fault, not the caller's."""
    if error.status >= 500:  # noqa: PLR2004  # HTTP's own line between theirs and ours
        _log.error(
            "request_failed", action="answer", error_code=error.error_code, reason=error.message
        )


def _is_true(parameters: paging.Parameters, name: str) -> bool:
    return (paging.first(parameters, name) or "").lower() == "true"
