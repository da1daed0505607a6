"""Identifiers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.ids import created_at, is_id, new_id

AT = datetime(2026, 1, 22, 12, 30, tzinfo=UTC)
# Until the first four bytes are full.
SECONDS = st.integers(0, 2**32 - 1).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def test_an_id_begins_with_its_second() -> None:
    made = new_id(AT)

    assert made[:8] == "69721848"
    assert len(made) == 24


@given(SECONDS)
def test_the_second_can_be_read_out_of_an_id(at: datetime) -> None:
    made = new_id(at)

    assert is_id(made) is True
    assert created_at(made) == at


def test_ids_of_one_second_differ() -> None:
    assert len({new_id(AT) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("text", ["69721828b85c0d5a7ef3a1f0", "0" * 24, "f" * 24])
def test_24_lower_case_hex_digits_are_an_id(text: str) -> None:
    assert is_id(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 23,
        "0" * 25,
        "69721828B85C0D5A7EF3A1F0",
        "g" + "0" * 23,
        "0" * 24 + "\n",
        " " + "0" * 23,
        "\u0660" * 24,  # a digit, but not of these
        "0x" + "0" * 22,
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert is_id(text) is False
