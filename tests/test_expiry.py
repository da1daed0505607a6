"""Which snapshots go: a table of reasons, and what holds of every plan."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.model.expiry import KeepRules, Reason, keep_rules, plan_expiry
from telamon.model.instance import InstanceKind
from telamon.model.manifest import ClusterTime
from telamon.model.snapshot import Snapshot, SnapshotStatus, SnapshotType
from tests.state.samples import NOW, snapshot

DAY = timedelta(days=1)
ENDED = (SnapshotStatus.COMPLETED, SnapshotStatus.FAILED)


def made(
    number: int,
    *,
    age_days: int,
    kept_days: int = 1,
    status: SnapshotStatus = SnapshotStatus.COMPLETED,
    snapshot_type: SnapshotType = SnapshotType.SCHEDULED,
) -> Snapshot:
    requested_at = NOW - age_days * DAY
    return snapshot(
        id=f"{number:024x}",
        status=status,
        snapshot_type=snapshot_type,
        requested_at=requested_at,
        finished_at=requested_at if status in ENDED else None,
        expires_at=requested_at + kept_days * DAY,
    )


def reasons(
    snapshots: list[Snapshot], rules: KeepRules, in_use: frozenset[str] = frozenset()
) -> list[Reason]:
    return [one.reason for one in plan_expiry(snapshots, rules, in_use=in_use, now=NOW)]


def test_each_reason_is_told_where_it_holds() -> None:
    snapshots = [
        made(1, age_days=9),
        made(2, age_days=8, status=SnapshotStatus.FAILED),
        made(3, age_days=7, kept_days=8),
        made(4, age_days=6),
        made(5, age_days=5, snapshot_type=SnapshotType.ON_DEMAND),
        made(6, age_days=4),
        made(7, age_days=3),
        made(8, age_days=2, status=SnapshotStatus.FAILED),
        made(9, age_days=1, status=SnapshotStatus.IN_PROGRESS),
    ]

    found = reasons(snapshots, KeepRules(newest_scheduled=2), frozenset({snapshots[3].id}))

    assert found == [
        Reason.EXPIRED,
        Reason.EXPIRED,
        Reason.NOT_EXPIRED,
        Reason.IN_USE,
        Reason.EXPIRED,
        Reason.AMONG_NEWEST,
        Reason.NEWEST,
        Reason.EXPIRED,
        Reason.BEING_TAKEN,
    ]


def test_of_two_of_one_second_the_newest_holds_the_later_time() -> None:
    times = [ClusterTime(seconds=7, increment=number) for number in (1, 2)]
    older = replace(made(2, age_days=9), cluster_time=times[0])
    newer = replace(made(1, age_days=9), cluster_time=times[1])

    for snapshots in ([older, newer], [newer, older]):
        plan = plan_expiry(snapshots, KeepRules(), in_use=frozenset(), now=NOW)
        assert {one.snapshot.id for one in plan if one.is_deleted} == {older.id}


@pytest.mark.parametrize(("seconds", "reason"), [(-1, Reason.NOT_EXPIRED), (0, Reason.EXPIRED)])
def test_its_time_is_over_in_the_second_that_was_promised(seconds: int, reason: Reason) -> None:
    old = made(1, age_days=1)
    rules = KeepRules(keeps_newest=False)

    [verdict] = plan_expiry(
        [old], rules, in_use=frozenset(), now=old.expires_at + timedelta(seconds=seconds)
    )

    assert (verdict.reason, verdict.is_deleted) == (reason, reason is Reason.EXPIRED)


@pytest.mark.parametrize(
    ("kind", "is_deleted", "kept"),
    [
        (InstanceKind.SERVERLESS, False, 1),
        (InstanceKind.DEDICATED, False, 1),
        (InstanceKind.FLEX, False, 8),
        (InstanceKind.FLEX, True, 0),
        (InstanceKind.SERVERLESS, True, 0),
    ],
)
def test_of_many_whose_time_is_over_so_many_stay(
    kind: InstanceKind, is_deleted: bool, kept: int
) -> None:
    """As after a month in which none could be taken."""
    snapshots = [made(number, age_days=60 - number) for number in range(20)]

    found = reasons(snapshots, keep_rules(kind, is_deleted=is_deleted))

    assert [reason is Reason.EXPIRED for reason in found] == [True] * (20 - kept) + [False] * kept


def test_a_flex_cluster_with_a_snapshot_a_day_has_eight() -> None:
    """The ninth, at the hour when it is taken, sends the first away."""
    snapshots = [made(number, age_days=8 - number, kept_days=8) for number in range(9)]

    found = reasons(snapshots, keep_rules(InstanceKind.FLEX, is_deleted=False))

    assert [reason is Reason.EXPIRED for reason in found] == [True] + [False] * 8


kinds = st.builds(
    made,
    st.integers(0, 10**6),
    age_days=st.integers(0, 60),
    kept_days=st.integers(1, 40),
    status=st.sampled_from(SnapshotStatus),
    snapshot_type=st.sampled_from(SnapshotType),
)
histories = st.lists(kinds, max_size=25, unique_by=lambda one: one.id)
rules = st.builds(KeepRules, newest_scheduled=st.integers(0, 9), keeps_newest=st.booleans())


@given(histories, rules, st.data())
def test_what_goes_is_over_ended_in_nobodys_use_and_not_the_newest_good(
    snapshots: list[Snapshot], keeping: KeepRules, data: st.DataObject
) -> None:
    ids = sorted(one.id for one in snapshots)
    in_use = frozenset(data.draw(st.sets(st.sampled_from(ids))) if ids else ())

    plan = plan_expiry(snapshots, keeping, in_use=in_use, now=NOW)

    assert [verdict.snapshot for verdict in plan] == snapshots
    good = [one for one in snapshots if one.status is SnapshotStatus.COMPLETED]
    for verdict in plan:
        one = verdict.snapshot
        if not verdict.is_deleted:
            continue
        assert one.expires_at <= NOW
        assert one.status in ENDED
        assert one.id not in in_use
        if keeping.keeps_newest and one in good:
            assert max(good, key=lambda each: (each.requested_at, each.id)) is not one


@given(histories, rules)
def test_what_stays_though_its_time_is_over_stays_for_a_reason(
    snapshots: list[Snapshot], keeping: KeepRules
) -> None:
    """No more than the rules ask for."""
    plan = plan_expiry(snapshots, keeping, in_use=frozenset(), now=NOW)

    over = [
        verdict
        for verdict in plan
        if verdict.snapshot.expires_at <= NOW and verdict.snapshot.finished_at is not None
    ]
    kept = [verdict for verdict in over if not verdict.is_deleted]
    assert {verdict.reason for verdict in kept} <= {Reason.NEWEST, Reason.AMONG_NEWEST}
    assert len(kept) <= keeping.newest_scheduled + keeping.keeps_newest


@given(histories, rules)
def test_a_second_plan_deletes_no_more_than_the_first(
    snapshots: list[Snapshot], keeping: KeepRules
) -> None:
    plan = plan_expiry(snapshots, keeping, in_use=frozenset(), now=NOW)
    left = [verdict.snapshot for verdict in plan if not verdict.is_deleted]

    again = plan_expiry(left, keeping, in_use=frozenset(), now=NOW)

    assert not any(verdict.is_deleted for verdict in again)
