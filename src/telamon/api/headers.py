"""The header fields of answers, surface by surface (contract sections 4.1 and 6.1)."""

from datetime import date

from telamon.api import media_type
from telamon.api.call import Route, Surface
from telamon.api.rate_limits import Draw

Headers = list[tuple[str, str]]

# On which day Atlas declared the serverless resources deprecated.
_DEPRECATED = date(2025, 12, 10)
_JSON = "application/json"
_NEW = (Surface.V2, Surface.PRIVATE)
_V2: Headers = [
    ("Server", "mdbws"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubdomains;"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("X-Permitted-Cross-Domain-Policies", "none"),
]


def of_success(surface: Surface, version: date) -> Headers:
    """``version`` is the resource's own, whichever was asked for."""
    if surface is Surface.V2:
        return [("Content-Type", media_type.content_type(version)), *_V2]
    if surface is Surface.PRIVATE:
        return [("Content-Type", _JSON), *_V2]
    return _v1(_JSON)


def of_error(surface: Surface, error_code: str) -> Headers:
    """Errors are plain JSON on v2, too."""
    code = ("X-Error-Code", error_code)
    if surface in _NEW:
        return [("Content-Type", _JSON), *_V2, code]
    return [*_v1(_JSON), code]


def of_document() -> Headers:
    """Of what describes the API, which is on no surface."""
    return [("Content-Type", _JSON), *_V2]


def of_token() -> Headers:
    """Of the token endpoint, whose answers nobody may keep (RFC 6749 section 5.1)."""
    return [
        ("Content-Type", _JSON),
        *_V2,
        ("Cache-Control", "no-store"),
        ("Pragma", "no-cache"),
    ]


def of_challenge(surface: Surface, challenge: str, *, has_body: bool = True) -> Headers:
    """Exactly one challenge: a second one breaks the official Go clients."""
    if not has_body:
        return [("Server", "mdbws"), ("WWW-Authenticate", challenge)]
    if surface in _NEW:
        return [("Content-Type", _JSON), ("Server", "mdbws"), ("WWW-Authenticate", challenge)]
    return [
        ("Content-Type", f"{_JSON};charset=ISO-8859-1"),
        ("WWW-Authenticate", challenge),
        ("Connection", "keep-alive"),
    ]


def of_wrong_method(surface: Surface, allowed: str) -> Headers:
    """A 405 has no body, and so on v2 nothing that a frame could show."""
    if surface in _NEW:
        return [("Allow", allowed), *(field for field in _V2 if field[0] != "X-Frame-Options")]
    return [("Allow", allowed), *(field for field in _v1("") if field[0] != "Content-Type")]


def of_sunset(route: Route) -> Headers:
    """When Atlas deprecated and when it switched off the route; nothing for one that it keeps."""
    if route.sunset is None:
        return []
    return [("Deprecation", _http_date(_DEPRECATED)), ("Sunset", _http_date(route.sunset))]


def of_rate_limit(draw: Draw) -> Headers:
    """How much a bucket takes and holds, and on a 429 when it will have something again."""
    fields = [
        ("RateLimit-Limit", str(draw.limit.capacity)),
        ("RateLimit-Remaining", str(draw.remaining)),
    ]
    if draw.retry_after is not None:
        fields.append(("Retry-After", str(draw.retry_after)))
    return fields


def _v1(content_type: str) -> Headers:
    return [
        ("Vary", "Accept-Encoding"),
        ("Content-Type", content_type),
        ("Strict-Transport-Security", "max-age=300"),
        ("Connection", "keep-alive"),
    ]


def _http_date(day: date) -> str:
    """As Atlas writes it: the day of the month without a zero before it."""
    weekday = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day.weekday()]
    month = (
        *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
        *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    )[day.month - 1]
    return f"{weekday}, {day.day} {month} {day.year} 00:00:00 GMT"
