"""Where a request comes from, and how the client names this server."""

from urllib.parse import unquote

from starlette.requests import Request
from starlette.types import Message, Scope, Send

from telamon.api.path_params import ENCODED_SLASH
from telamon.errors import BodyTooLarge
from telamon.model.network import Network, is_within

BODY_BYTES_MAX = 1024 * 1024


def client_address(request: Request, trusted_proxies: tuple[Network, ...]) -> str:
    """The address of the client, looking through the proxies that are trusted and no further.

    ``X-Forwarded-For`` grows to the right, so that its last entry that is no trusted proxy is what
    a trusted proxy saw.
    """
    peer = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    chain = [part.strip() for part in forwarded.split(",") if part.strip()]
    while chain and is_within(peer, trusted_proxies):
        peer = chain.pop()
    return peer


def base_url(request: Request, public_url: str, trusted_proxies: tuple[Network, ...]) -> str:
    """Scheme and host for links, without a slash at the end.

    The scheme is the one that a trusted proxy tells in ``X-Forwarded-Proto``, if one does.
    """
    if public_url:
        return public_url
    scheme = request.url.scheme
    told = request.headers.get("x-forwarded-proto", "").lower()
    peer = request.client.host if request.client else ""
    if told in ("http", "https") and is_within(peer, trusted_proxies):
        scheme = told
    server = request.scope.get("server") or ("localhost", None)
    fallback = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
    return f"{scheme}://{request.headers.get('host') or fallback}"


def path_of(scope: Scope) -> str:
    """The path, decoded, without the slash that some clients end it with.

    A slash that came percent-encoded separates nothing (RFC 3986 section 2.2), and stays encoded.
    """
    raw = scope.get("raw_path")
    path = str(scope["path"])
    if raw and b"%2f" in raw.lower():
        parts = raw.partition(b"?")[0].decode("latin-1").split("/")
        path = "/".join(unquote(part).replace("/", ENCODED_SLASH) for part in parts)
    return path.rstrip("/") or "/"


def closing_honestly(request: Request, send: Send) -> Send:
    """``send``, but never promising to keep a connection that the server will close.

    That is one whose client asks for it, or speaks HTTP/1.0 (RFC 9112 section 9.3).
    """
    wishes = request.headers.get("connection", "").lower()
    if request.scope["http_version"] != "1.0" and "close" not in wishes:
        return send

    async def send_without_promise(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [field for field in message["headers"] if field[0].lower() != b"connection"]
            message = {**message, "headers": kept}
        await send(message)

    return send_without_promise


async def read_body(request: Request) -> bytes:
    """The whole body. Raises BodyTooLarge as soon as it is."""
    parts: list[bytes] = []
    size_bytes = 0
    async for part in request.stream():
        size_bytes += len(part)
        if size_bytes > BODY_BYTES_MAX:
            raise BodyTooLarge(str(BODY_BYTES_MAX))
        parts.append(part)
    return b"".join(parts)
