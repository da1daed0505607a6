"""What the commands of ``telamon repository`` print: sentences for people, JSON for programs."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from telamon.cli.progress import Unit, quantity

if TYPE_CHECKING:
    from telamon.operations.rescan import RescanReport
    from telamon.repository.check import CheckReport
    from telamon.repository.prune import PrunePlan
    from telamon.repository.stats import RepositoryStats

_MOST_LINES = 20  # of findings, for people; --json has all


def print_check(report: "CheckReport") -> None:
    print(
        f"{count(report.snapshots, 'snapshot')}, {count(report.packs, 'pack')}, "
        f"{count(report.chunks, 'chunk')} ({report.unneeded_chunks:,} not needed by any snapshot), "
        f"{count(report.oplog_slices, 'oplog slice')}, {size(report.read_bytes)} read"
    )
    for note in report.notes[:_MOST_LINES]:
        print(f"note: {note}")
    for found in report.findings[:_MOST_LINES]:
        print(f"damage: {found.harm}")
        for snapshot_id in found.snapshots:
            print(f"    snapshot {snapshot_id} cannot be restored whole")
    for what, lines in (("notes", report.notes), ("findings", report.findings)):
        if len(lines) > _MOST_LINES:
            print(f"{len(lines) - _MOST_LINES:,} more {what}; --json has all")
    if report.findings:
        harmed = {snapshot_id for found in report.findings for snapshot_id in found.snapshots}
        print(f"{count(len(harmed), 'snapshot')} harmed; nothing was found against any other")


def print_plan(plan: "PrunePlan") -> None:
    from telamon.repository.prune import Action

    for action in Action:
        decisions = plan.of(action)
        size_bytes = sum(decision.pack.size_bytes for decision in decisions)
        print(f"{action.value:8}{count(len(decisions), 'pack')}, {size(size_bytes)}")
        if action is not Action.KEEP:
            for decision in decisions:
                print(f"    {decision.pack.key}: {decision.reason}")
    print(f"would free {size(plan.freed_bytes)}, packing {size(plan.rewritten_bytes)} again")


def plan_members(plan: "PrunePlan") -> dict[str, Any]:
    return {
        "packs": [
            {
                **asdict(decision.pack),
                "action": decision.action.value,
                "reason": decision.reason,
            }
            for decision in plan.decisions
        ],
        "planned_freed_bytes": plan.freed_bytes,
        "planned_rewritten_bytes": plan.rewritten_bytes,
    }


def print_stats(found: "RepositoryStats") -> None:
    encrypted = "encrypted" if found.encrypted else "not encrypted"
    print(f"repository {found.repository_id}, {encrypted}")
    print(
        f"{count(found.packs, 'pack')}, {size(found.pack_bytes)}: {size(found.used_bytes)} needed, "
        f"{size(found.unused_bytes)} not; {size(found.logical_bytes)} of documents in all"
    )
    if found.oplog_slices:
        print(f"{count(found.oplog_slices, 'oplog slice')}, {size(found.oplog_bytes)}")
    if found.missing_chunks:
        print(f"{count(found.missing_chunks, 'chunk')} missing: telamon repository check")
    for one in found.snapshots:
        print(
            f"{one.snapshot_id}  {one.taken_at}  {one.instance_name}  {one.documents:,} documents  "
            f"{size(one.logical_bytes)} ({size(one.deduplicated_bytes)} deduplicated)  "
            f"needs {size(one.stored_bytes)}, {size(one.unique_bytes)} of it alone  "
            f"{one.chunks:,} chunks, {one.delta_chunks:,} of them deltas ({size(one.delta_bytes)})"
        )


def print_rescan(report: "RescanReport") -> None:
    for group_id in report.projects:
        print(f"project   {group_id}")
    for one in report.instances:
        was = "" if one.name == one.known_as else f", known as {one.known_as} in its snapshots"
        print(f"instance  {one.instance_id}  {one.name}{was}, in project {one.group_id}")
    print(
        f"{count(len(report.snapshots), 'snapshot')} added to the catalogue, "
        f"{report.known_snapshots:,} known before"
    )
    if report.oplog_slices:
        print(f"{count(report.oplog_slices, 'oplog slice')} added to the catalogue")
    for sentence in report.damaged:
        print(f"damage: {sentence}")


def print_json(members: dict[str, Any]) -> None:
    print(msgspec.json.encode(_in_camel_case(members)).decode())


def _in_camel_case(value: Any) -> Any:
    """The same with the names of members as they are on the wire."""
    if isinstance(value, dict):
        return {_camel(name): _in_camel_case(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_in_camel_case(item) for item in value]
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def size(size_bytes: int) -> str:
    return quantity(Unit.BYTES, size_bytes)


def count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
