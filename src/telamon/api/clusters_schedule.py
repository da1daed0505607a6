"""The backup schedule of a dedicated cluster, on v1.0 and in both versions of v2.

The versions differ in how they name copies in other regions, of which Telamon makes none.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Link, Reply, Route, Wire, related
from telamon.api.serverless_instances import unless_unset
from telamon.errors import FeatureUnsupported, InvalidAttribute
from telamon.model.retention import Retention, RetentionUnit
from telamon.model.schedule import INTERVALS, Frequency, PolicyItem
from telamon.operations.backup_schedules import ScheduleChanges, VisibleSchedule, WantedItem

_READ_ONLY = ("clusterId", "clusterName", "copyPolicyItemsEnabled", "links", "nextSnapshot")


class _FrequencyType(StrEnum):
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"


class _Unit(StrEnum):
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


class PolicyItemView(Wire, kw_only=True, frozen=True):
    frequency_interval: int
    frequency_type: str
    id: str
    retention_unit: str
    retention_value: int


class PolicyView(Wire, kw_only=True, frozen=True):
    id: str
    policy_items: list[PolicyItemView]


class ScheduleView(Wire, kw_only=True, frozen=True):
    auto_export_enabled: bool
    cluster_id: str
    cluster_name: str
    copy_policy_items_enabled: bool
    copy_settings: list[str]
    links: list[Link]
    next_snapshot: datetime | UnsetType = UNSET
    policies: list[PolicyView]
    reference_hour_of_day: int
    reference_minute_of_hour: int
    restore_window_days: int
    use_org_and_group_names_in_export_prefix: bool


class _Item(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    frequency_interval: int
    frequency_type: _FrequencyType
    id: str | UnsetType = UNSET
    retention_unit: _Unit
    retention_value: Annotated[int, Meta(ge=1, le=3650)]


class _Policy(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    id: str | UnsetType = UNSET
    policy_items: list[_Item]


class _Changes(Wire, kw_only=True, frozen=True):
    auto_export_enabled: bool = False
    copy_settings: list[Any] | UnsetType = UNSET
    delete_copied_backups: list[Any] | UnsetType = UNSET
    export: dict[str, Any] | UnsetType = UNSET
    extra_retention_settings: list[Any] | UnsetType = UNSET
    policies: Annotated[list[_Policy], Meta(max_length=1)] | UnsetType = UNSET
    reference_hour_of_day: Annotated[int, Meta(ge=0, le=23)] | UnsetType = UNSET
    reference_minute_of_hour: Annotated[int, Meta(ge=0, le=59)] | UnsetType = UNSET
    restore_window_days: Annotated[int, Meta(ge=1, le=3650)] | UnsetType = UNSET
    update_snapshots: bool = False
    use_org_and_group_names_in_export_prefix: bool | UnsetType = UNSET


async def get_schedule(call: Call) -> Reply:
    schedules = call.services.snapshots.schedules
    found = await schedules.get(call.caller, call.group_id, call.instance_name)
    return Reply(body=_rendered(call, found))


async def update_schedule(call: Call) -> Reply:
    """Rules that are sent replace all that there are; what is not sent stays."""
    schedules = call.services.snapshots.schedules
    await schedules.require(call.caller, call.group_id, call.instance_name)
    changes = _wanted(read_object(await call.read_body(), _Changes, read_only=_READ_ONLY))
    changed = await schedules.update(call.caller, call.group_id, call.instance_name, changes)
    return Reply(body=_rendered(call, changed))


async def delete_schedule(call: Call) -> Reply:
    """No rule is left. As recorded, with what is left as the answer."""
    schedules = call.services.snapshots.schedules
    cleared = await schedules.clear(call.caller, call.group_id, call.instance_name)
    return Reply(body=_rendered(call, cleared))


def _wanted(body: _Changes) -> ScheduleChanges:
    for feature, is_wanted in (
        ("automatic export of snapshots", body.auto_export_enabled or bool(body.export)),
        ("copies of snapshots in other regions", bool(body.copy_settings)),
        ("copies of snapshots in other regions", bool(body.delete_copied_backups)),
        ("extra retention", bool(body.extra_retention_settings)),
    ):
        if is_wanted:
            raise FeatureUnsupported(feature)
    items = None
    if body.policies is not UNSET:
        items = tuple(_item(each) for policy in body.policies for each in policy.policy_items)
    return ScheduleChanges(
        items=items,
        reference_hour=unless_unset(body.reference_hour_of_day),
        reference_minute=unless_unset(body.reference_minute_of_hour),
        restore_window_days=unless_unset(body.restore_window_days),
        names_in_export_prefix=unless_unset(body.use_org_and_group_names_in_export_prefix),
        applies_to_snapshots=body.update_snapshots,
    )


def _item(body: _Item) -> WantedItem:
    frequency = Frequency(body.frequency_type.value)
    if body.frequency_interval not in INTERVALS[frequency]:
        raise InvalidAttribute("frequencyInterval")
    return WantedItem(
        id=unless_unset(body.id),
        frequency=frequency,
        interval=body.frequency_interval,
        retention=Retention(
            unit=RetentionUnit(body.retention_unit.value), value=body.retention_value
        ),
    )


def _rendered(call: Call, found: VisibleSchedule) -> ScheduleView:
    cluster, schedule = found.cluster, found.schedule
    here = f"{call.group_url}/clusters/{cluster.name}/backup/schedule"
    return ScheduleView(
        auto_export_enabled=False,
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        copy_policy_items_enabled=False,
        copy_settings=[],
        links=[
            Link(href=here, rel="self"),
            Link(href=call.group_url, rel=related("group")),
        ],
        next_snapshot=call.services.snapshots.schedules.next_run(schedule) or UNSET,
        policies=[
            PolicyView(
                id=schedule.policy_id,
                policy_items=[_rendered_item(each) for each in schedule.items],
            )
        ],
        reference_hour_of_day=schedule.reference_hour,
        reference_minute_of_hour=schedule.reference_minute,
        restore_window_days=schedule.restore_window_days,
        use_org_and_group_names_in_export_prefix=schedule.names_in_export_prefix,
    )


def _rendered_item(item: PolicyItem) -> PolicyItemView:
    return PolicyItemView(
        frequency_interval=item.interval,
        frequency_type=item.frequency.value,
        id=item.id,
        retention_unit=item.retention.unit.value,
        retention_value=item.retention.value,
    )


_SCHEDULE = "/groups/{groupId}/clusters/{instanceName}/backup/schedule"
_VERSIONS = (date(2023, 1, 1), date(2024, 8, 5))

ROUTES = (
    Route(
        operation_id="getBackupSchedule",
        method="GET",
        path=_SCHEDULE,
        handler=get_schedule,
        answer=Answer(ScheduleView),
        versions=_VERSIONS,
    ),
    Route(
        operation_id="updateBackupSchedule",
        method="PATCH",
        path=_SCHEDULE,
        handler=update_schedule,
        answer=Answer(ScheduleView),
        body=_Changes,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="deleteAllBackupSchedules",
        method="DELETE",
        path=_SCHEDULE,
        handler=delete_schedule,
        answer=Answer(ScheduleView),
        versions=_VERSIONS,
    ),
)
