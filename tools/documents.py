"""Write the documents that are made of code: docs/errors.md and docs/api-coverage.md.

``python -m tools.documents``, after a change of errors/ or of a table of routes; a test compares.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path

from telamon.api import oauth
from telamon.api.asgi import ROUTES
from telamon.api.call import Surface
from telamon.errors import OAuthRefusal, TelamonError
from tools.atlas_operations import OPERATIONS, PARTLY

ROOT = Path(__file__).parent.parent

_NAMES = {Surface.V1: "v1.0", Surface.V2: "v2", Surface.PRIVATE: "private"}


def main() -> None:
    for name, text in documents().items():
        path = ROOT / "docs" / name
        path.write_text(text)
        print(path.relative_to(ROOT))


def documents() -> Mapping[str, str]:
    """File name below docs/ and text of each."""
    return {"errors.md": errors_page(), "api-coverage.md": coverage_page()}


def errors_page() -> str:
    shown = {(kind.status, kind.error_code): kind for kind in reversed([*_below(TelamonError)])}
    kinds = [shown[each] for each in sorted(shown)]
    return _page(
        "Errors",
        """
        Every error of Atlas's surfaces and of Telamon's own is one JSON object, `application/json` on
        every version: `detail`, `error` (the status), `errorCode`, `parameters`, `reason`. The code
        stands in the header `X-Error-Code`, too. Each `%s` of a detail is a parameter, in order. Who
        is not known gets a 401 with a digest challenge and without a code; who shows a token that is
        none, one without a body.
        """,
        _table(
            ("status", "code", "detail", "exit code of `telamon`"),
            ((*_row(kind), kind.exit_code) for kind in kinds if not issubclass(kind, OAuthRefusal)),
        ),
        """
        The token endpoint answers in OAuth's shape (RFC 6749 section 5.2), `error_description` and
        `error`:
        """,
        _table(
            ("status", "`error`", "`error_description`"),
            (_row(kind) for kind in kinds if issubclass(kind, OAuthRefusal)),
        ),
        """
        Anything else that goes wrong there is `server_error`.
        """,
        source="src/telamon/errors",
    )


def coverage_page() -> str:
    served = _served()
    counts = dict.fromkeys(("done", "partly", "not"), 0)
    sections: dict[str, list[tuple[str, ...]]] = {}
    for operation in OPERATIONS:
        surfaces = served.get(_key(operation.method, operation.path), ())
        word = "not" if not surfaces else "partly" if operation.operation_id in PARTLY else "done"
        counts[word] += 1
        sections.setdefault(operation.section, []).append(
            (
                f"{operation.method} `{operation.path or '/'}`",
                f"`{operation.operation_id}`",
                word,
                ", ".join(surfaces),
                PARTLY.get(operation.operation_id, "") if surfaces else "",
            )
        )
    parts = []
    for title, rows in sections.items():
        parts += [f"## {title}", _table(("operation", "id", "", "on", "missing"), rows)]
    return _page(
        "What of Atlas's API is served",
        f"""
        Of {len(OPERATIONS)} operations around backup {counts["done"]} are done, {counts["partly"]}
        partly, {counts["not"]} not. Paths are below `/api/atlas/v1.0` and `/api/atlas/v2`.
        """,
        *parts,
        source="the tables of routes and tools/atlas_operations.py",
    )


def unknown_partly() -> set[str]:
    """Operations that are said to be served in part, and are not served or not known."""
    served = _served()
    known = {
        operation.operation_id
        for operation in OPERATIONS
        if _key(operation.method, operation.path) in served
    }
    return set(PARTLY) - known


def uncounted() -> set[tuple[str, str]]:
    """Method and path of routes on Atlas's surfaces that are no operation of the list."""
    listed = {_key(operation.method, operation.path) for operation in OPERATIONS}
    return {
        (route.method, route.path)
        for route in ROUTES
        if Surface.OWN not in route.surfaces
        and _key(route.method, _whole(route.path, route.surfaces)) not in listed
    }


def _served() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Where each operation is served, by its method and the shape of its path."""
    found = {
        _key(route.method, _whole(route.path, route.surfaces)): tuple(
            _NAMES[surface] if surface is not Surface.V2 else f"v2 {_versions(route.versions)}"
            for surface in route.surfaces
        )
        for route in ROUTES
        if Surface.OWN not in route.surfaces
    }
    for path in sorted(oauth.PATHS):
        found[_key("POST", path)] = ("OAuth 2.0",)
    return found


def _whole(path: str, surfaces: Iterable[Surface]) -> str:
    return f"{Surface.PRIVATE.value}{path}" if Surface.PRIVATE in surfaces else path


def _versions(versions: Iterable[object]) -> str:
    return ", ".join(str(version) for version in versions)


def _key(method: str, path: str) -> tuple[str, str]:
    """A path is the same whatever its variables are called."""
    return method, re.sub(r"\{\w+\}", "{}", path)


def _below(kind: type[TelamonError]) -> Iterator[type[TelamonError]]:
    """Of the package's errors only: what a client or a tool raises is on no wire."""
    if kind.__module__.startswith("telamon.errors"):
        yield kind
    for child in kind.__subclasses__():
        yield from _below(child)


def _row(kind: type[TelamonError]) -> tuple[str, str, str]:
    status = f"{kind.status} {HTTPStatus(kind.status).phrase}"
    return status, f"`{kind.error_code}`", kind.detail.replace("|", "\\|")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _page(title: str, *parts: str, source: str) -> str:
    note = f"<!-- Made by tools/documents.py from {source}. -->"
    texts = [f"# {title}", note, *(inspect.cleandoc(part) for part in parts)]
    return "\n\n".join(texts) + "\n"


if __name__ == "__main__":
    main()
