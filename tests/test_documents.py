"""The documents that are made of code are those that the code makes."""

from pathlib import Path

import pytest

from tools import atlas_operations, documents

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", ["errors.md", "api-coverage.md"])
def test_a_document_is_up_to_date(name: str) -> None:
    written = (DOCS / name).read_text()

    assert written == documents.documents()[name], "run python -m tools.documents"


def test_every_route_of_atlas_is_counted() -> None:
    assert documents.uncounted() == set()


def test_what_is_said_to_be_missing_is_missing_of_something() -> None:
    assert documents.unknown_partly() == set()


def test_no_operation_is_listed_twice() -> None:
    operations = atlas_operations.OPERATIONS

    assert len({each.operation_id for each in operations}) == len(operations)
    assert len({(each.method, each.path) for each in operations}) == len(operations)


def test_the_pages_tell_of_what_is_there() -> None:
    pages = documents.documents()

    assert (
        "| 404 Not Found | `GROUP_NOT_FOUND` | No group with ID %s exists. | 4 |"
        in pages["errors.md"]
    )
    assert (
        "| GET `/groups/{groupId}` | `getProject` | done | v1.0, v2 2023-01-01 |  |"
        in pages["api-coverage.md"]
    )
