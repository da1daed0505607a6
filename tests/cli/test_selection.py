"""The options of ``telamon restore start`` that choose a part, as a request says them."""

from typing import Any

import pytest

from telamon.cli.selection import Part, selection_body
from telamon.errors import InvalidAttribute, MissingAttribute
from telamon.model.selection import IndexStrategy


def test_the_whole_snapshot_needs_no_word() -> None:
    assert selection_body(None) == selection_body(Part()) == {}


def test_a_part_is_chosen() -> None:
    part = Part(
        ns=["shop.orders", "audit"],
        rename=["shop.orders=shop.a=b", "audit=audit2"],
        suffix="_c",
        database_suffix="_d",
        query='{"tenant": 42}',
        indexes=IndexStrategy.NONE,
        replace=True,
    )

    assert selection_body(part) == {
        "selection": {
            "collectionSuffix": "_c",
            "databaseSuffix": "_d",
            "existing": "replace",
            "indexes": "none",
            "namespaces": ["shop.orders", "audit"],
            "query": '{"tenant": 42}',
            "renames": [
                {"sourceNamespace": "shop.orders", "targetNamespace": "shop.a=b"},
                {"sourceNamespace": "audit", "targetNamespace": "audit2"},
            ],
        }
    }


def test_nothing_is_replaced_unasked() -> None:
    selection = selection_body(Part(ns=["shop"]))["selection"]

    assert selection["existing"] == "refuse"
    assert "query" not in selection


@pytest.mark.parametrize(
    "options",
    [{"suffix": "_c"}, {"query": "{}"}, {"replace": True}, {"rename": ["a=b"]}],
)
def test_options_of_a_part_need_a_part(options: dict[str, Any]) -> None:
    with pytest.raises(MissingAttribute, match="--ns"):
        selection_body(Part(**options))


@pytest.mark.parametrize("text", ["a", "a=", "=b", "="])
def test_a_renaming_has_two_names(text: str) -> None:
    with pytest.raises(InvalidAttribute, match=f"--rename {text}"):
        selection_body(Part(ns=["a"], rename=[text]))
