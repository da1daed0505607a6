"""Where a PostgreSQL database is. Without the libraries that open it, which take their time to load."""

from urllib.parse import urlsplit

_SCHEMES = ("postgresql", "postgres")
_FORM = (
    "is not of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in a password @, :, /, ? and "
    "# are written %40, %3A, %2F, %3F and %23"
)


def check_address(text: str) -> str:
    """``text``, if it is the URL of a database. Raises ValueError with a sentence without secrets."""
    scheme = text.partition("://")[0]
    if scheme not in _SCHEMES:
        raise ValueError("must begin with postgresql://, or be empty for SQLite")
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_FORM) from None  # its text quotes what may be part of a password
    if parts.fragment or parts.netloc.count("@") > 1 or (parts.password or "").count(":"):
        raise ValueError(_FORM)
    if not host:
        raise ValueError("must name a host")
    if not parts.path.strip("/"):
        raise ValueError("must name a database behind the host")
    return text


def place(text: str) -> str:
    """Host, port and database, for people: an address without user and password."""
    parts = urlsplit(text)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname}{port}{parts.path}"
