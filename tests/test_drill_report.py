"""What a report says, in which bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.errors import ReportUnreadable
from telamon.model.drill_report import DrillDurations, canonical, read_json
from tests.drills import EVIDENCE, report

KEYS = st.text(st.characters(codec="ascii"), max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [None, True, False]}, '{"a":[null,true,false],"b":1}'),
        ({"B": 1, "a": 2, "A": 3}, '{"A":3,"B":1,"a":2}'),
        ([1.0, 0.5, -2.0, 1e3, 0.001], "[1,0.5,-2,1000,0.001]"),
        ('"\\\n\t\x00\x7f', '"\\"\\\\\\n\\t\\u0000\x7f"'),
        ("é☃𝄞", '"é☃𝄞"'),
        ({}, "{}"),
    ],
)
def test_canonical_bytes(value: object, expected: str) -> None:
    assert canonical(value) == expected.encode()


@given(VALUES)
def test_who_has_only_the_values_gets_the_same_bytes(value: Any) -> None:
    """However they were written down meanwhile."""
    spread = json.dumps(value, indent=3, ensure_ascii=True)

    assert canonical(read_json(spread.encode())) == canonical(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_what_no_json_has_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical(value)


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '[{"b":{"a":1,"a":2}}]', "{", "\xff", ""])
def test_json_that_can_be_read_in_two_ways_or_none_is_refused(text: str) -> None:
    with pytest.raises(ReportUnreadable):
        read_json(text.encode("latin-1"))


def test_a_report_has_every_key_always() -> None:
    nothing = report(
        reason="no",
        mongod_version=None,
        cluster_time=None,
        snapshot_taken_at=None,
        started_at=None,
        namespaces=(),
        durations=DrillDurations(start=None, restore=None, verify=None, destroy=None, total=0.0),
    )

    assert nothing.fields().keys() == report().fields().keys()
    assert (nothing.fields()["outcome"], report().fields()["outcome"]) == ("failed", "passed")


def test_moments_are_in_utc_and_durations_to_the_millisecond() -> None:
    fields: dict[str, Any] = json.loads(canonical(report().fields()))

    assert fields["finishedAt"] == "2026-01-22T12:30:00Z"
    assert fields["durations"] == {
        "destroySeconds": 0.001,
        "restoreSeconds": 3,
        "startSeconds": 1.234,
        "totalSeconds": 4.5,
        "verifySeconds": 0.1,
    }
    assert fields["namespaces"][0]["namespace"] == EVIDENCE.namespace
