"""A drill and its report to begin with."""

from dataclasses import replace
from typing import Any

from telamon.model.drill import Drill, DrillState
from telamon.model.drill_report import DrillDurations, DrillReport, NamespaceEvidence
from tests.state.samples import GROUP, INSTANCE, NOW, SNAPSHOT

DRILL = "65f0000000000000000000f7"

EVIDENCE = NamespaceEvidence(
    namespace='shop.ordérs "☃"\n',
    kind="collection",
    documents=3,
    size_bytes=120,
    content_hash="0" * 31 + "7",
    indexes=2,
    restore_seconds=0.25,
    verify_seconds=2.0,
    difference=None,
    remark=None,
)


def report(**changes: Any) -> DrillReport:
    made = DrillReport(
        drill_id=DRILL,
        group_id=GROUP,
        group_name="Project 0",
        instance_id=INSTANCE,
        instance_name="Instance0",
        snapshot_id=SNAPSHOT,
        snapshot_taken_at=NOW,
        cluster_time="1769085000.7",
        snapshot_mongodb_version="6.0.5",
        repository_id="ab" * 16,
        telamon_version="0.1.0",
        mongod_version="6.0.5",
        requested_at=NOW,
        started_at=NOW,
        finished_at=NOW,
        reason=None,
        durations=DrillDurations(start=1.2345, restore=3.0, verify=0.1, destroy=0.001, total=4.5),
        namespaces=(EVIDENCE,),
    )
    return replace(made, **changes)


def queued_drill(**changes: Any) -> Drill:
    made = Drill(
        id=DRILL,
        group_id=GROUP,
        instance_id=INSTANCE,
        instance_name="Instance0",
        snapshot_id=SNAPSHOT,
        state=DrillState.QUEUED,
        requested_at=NOW,
        started_at=None,
        finished_at=None,
        failure=None,
    )
    return replace(made, **changes)
