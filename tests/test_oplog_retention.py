"""Which slices of an oplog go: a pure plan."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.model.manifest import ClusterTime
from telamon.model.oplog import OplogSlice
from telamon.model.oplog_retention import SliceReason, plan_slices

NOW = datetime(2026, 1, 22, 12, tzinfo=UTC)
INSTANCE = "65f0000000000000000000c0"


def before(hours: float) -> ClusterTime:
    moment = NOW - timedelta(hours=hours)
    return ClusterTime(seconds=int(moment.timestamp()), increment=1)


def slices(*ends: float) -> list[OplogSlice]:
    """One that ends so many hours ago for each, and begins where the one before it ends."""
    starts = [ends[0] + 1, *ends[:-1]]
    return [
        OplogSlice(
            instance_id=INSTANCE, after=before(start), first=before(start - 0.1), last=before(end)
        )
        for start, end in zip(starts, ends, strict=True)
    ]


Y, L, U, O = SliceReason  # noqa: E741


@pytest.mark.parametrize(
    ("ends", "snapshots", "in_use", "reasons"),
    [
        ([100, 80, 71, 1], [], [], [O, O, Y, Y]),
        ([100, 80, 72, 1], [], [], [O, O, Y, Y]),
        ([100, 80, 1], [90], [], [O, L, Y]),
        ([100, 80, 1], [90, 75], [], [O, O, Y]),
        ([100, 80, 1], [110, 50], [], [L, L, Y]),
        ([100, 90, 80, 1], [], [(95, 85)], [O, U, U, Y]),
        ([100, 90, 80, 1], [], [(95, 92)], [O, U, U, Y]),
        ([200, 190], [], [], [O, O]),
    ],
)
def test_what_stays_and_why(
    ends: list[float],
    snapshots: list[float],
    in_use: list[tuple[float, float]],
    reasons: list[SliceReason],
) -> None:
    plan = plan_slices(
        slices(*ends),
        snapshots=[before(hours) for hours in snapshots],
        in_use=[(before(since), before(until)) for since, until in in_use],
        now=NOW,
    )

    assert [verdict.reason for verdict in plan] == reasons


HOURS = st.floats(0, 200)


@given(
    st.lists(HOURS, min_size=1, max_size=8, unique=True),
    st.lists(HOURS, max_size=4),
    st.lists(st.tuples(HOURS, HOURS), max_size=2),
)
def test_every_moment_that_could_be_reached_still_can(
    ends: list[float], snapshots: list[float], in_use: list[tuple[float, float]]
) -> None:
    plan = plan_slices(
        slices(*sorted(ends, reverse=True)),
        snapshots=[before(hours) for hours in snapshots],
        in_use=[(before(max(way)), before(min(way))) for way in in_use],
        now=NOW,
    )
    deleted = [verdict.is_deleted for verdict in plan]

    assert deleted == sorted(deleted, reverse=True)  # the first ones only
    limit = before(72)
    base = max((before(hours) for hours in snapshots if before(hours) <= limit), default=limit)
    for verdict in plan:
        if verdict.is_deleted:
            assert verdict.slice.last <= base
            for way in in_use:
                since, until = before(max(way)), before(min(way))
                assert verdict.slice.last <= since or verdict.slice.first > until
