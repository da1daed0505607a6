"""What ``/metrics``, ``/livez`` and ``/readyz`` answer, and to whom."""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from telamon.api.asgi import Options
from telamon.jobs.queue import JobKind
from telamon.model.instance import Instance
from telamon.model.network import Network
from telamon.model.restore_job import RestoreStage
from telamon.model.snapshot import SnapshotStatus
from telamon.operations.metrics import Metrics
from telamon.operations.scheduled_snapshots import ScheduledSnapshots
from telamon.state import measurements, snapshots
from tests.api.routes.backups import (
    SIZE_BYTES,
    TAKEN_AT,
    add_drill,
    add_repository_job,
    add_restore_job,
    add_snapshot,
)
from tests.api.routes.world import GROUP, NOW, OTHER_INSTANCE_ID, World

LOCAL: tuple[Network, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
)
Samples = Mapping[tuple[str, ...], float]
ORDERS = (GROUP, "orders")


def calling(
    world: World,
    address: str = "127.0.0.1",
    *,
    networks: tuple[Network, ...] = LOCAL,
    proxies: tuple[Network, ...] = (),
) -> httpx.AsyncClient:
    """Somebody without a key."""
    options = Options(metrics_networks=networks, trusted_proxies=proxies)
    return world.client(app=world.app(options), address=address)


async def scraped(world: World) -> Samples:
    """Values by the name and the labels' values, of a page that Prometheus's parser takes."""
    answer = await calling(world).get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def told_of(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    return {key[1:]: value for key, value in samples.items() if key[0] == name}


# Who


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("127.8.8.8", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("192.0.2.7", 403),
        ("2001:db8::7", 403),
        ("", 403),
    ],
)
async def test_metrics_are_for_this_machine(world: World, address: str, status: int) -> None:
    answer = await calling(world, address).get("/metrics")

    assert answer.status_code == status
    assert ("telamon_jobs" in answer.text) is (status == 200)


async def test_or_for_the_networks_of_the_settings_and_then_for_no_others(world: World) -> None:
    networks = (ipaddress.ip_network("192.0.2.0/24"),)

    there = await calling(world, "192.0.2.7", networks=networks).get("/metrics")
    here = await calling(world, networks=networks).get("/metrics")

    assert (there.status_code, here.status_code) == (200, 403)


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
async def test_what_came_through_an_unknown_proxy_on_this_machine_came_from_anywhere(
    world: World, name: str
) -> None:
    answer = await calling(world).get("/metrics", headers={name: "127.0.0.1"})

    assert answer.status_code == 403


@pytest.mark.parametrize(("client", "status"), [("127.0.0.1", 200), ("192.0.2.7", 403)])
async def test_a_trusted_proxy_is_believed(world: World, client: str, status: int) -> None:
    proxies = (ipaddress.ip_network("10.0.0.0/8"),)

    answer = await calling(world, "10.0.0.1", proxies=proxies).get(
        "/metrics", headers={"X-Forwarded-For": client}
    )

    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_everybody_may_ask_whether_it_is_there(world: World, path: str) -> None:
    answer = await calling(world, "192.0.2.7").get(path)

    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_they_can_only_be_read(world: World, path: str) -> None:
    assert (await calling(world).post(path)).status_code == 405


@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/readyz", 503), ("/metrics", 503)])
async def test_without_its_database_it_is_alive_and_not_ready(
    world: World, path: str, status: int
) -> None:
    client = calling(world)
    world.db.close()
    world.path.write_bytes(b"no database" * 100)

    answer = await client.get(path)

    assert answer.status_code == status
    assert "ready" not in answer.text


# What


@pytest.mark.usefixtures("orders")
async def test_jobs_that_wait_and_run_are_counted_by_kind_with_the_age_of_the_oldest(
    world: World,
) -> None:
    for number, minutes in enumerate((0, 1)):
        world.db.transact(
            lambda tx, n=number: world.queue.enqueue(tx, JobKind.RESTORE, f"r{n}", lock="a")  # type: ignore[misc]
        )
        _set_age(world, f"restore:r{number}", "ENQUEUED", timedelta(minutes=10 - minutes))
    world.db.transact(lambda tx: world.queue.enqueue(tx, JobKind.TAKE_SNAPSHOT, "s", lock="b"))
    _set_age(world, "take_snapshot:s", "PENDING", timedelta(seconds=90))

    samples = await scraped(world)

    assert told_of(samples, "telamon_jobs") == {
        ("restore", "queued"): 2,
        ("take_snapshot", "running"): 1,
    }
    assert told_of(samples, "telamon_oldest_job_seconds") == {
        ("restore", "queued"): 600,
        ("take_snapshot", "running"): 90,
    }


def _set_age(world: World, job_id: str, status: str, age: timedelta) -> None:
    began = int((NOW - age).timestamp() * 1000)
    started = began if status == "PENDING" else None
    with world.db.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE workflow_status SET status = ?, created_at = ?, started_at_epoch_ms = ? "
            "WHERE workflow_uuid = ?",
            (status, began - 5000 if started else began, started, job_id),
        )


async def test_ended_jobs_are_counted_by_kind_and_outcome_from_nought(
    world: World, orders: Instance
) -> None:
    before = told_of(await scraped(world), "telamon_jobs_ended_total")
    assert set(before.values()) == {0.0}
    add_snapshot(world, orders)
    add_snapshot(world, orders, SnapshotStatus.FAILED, snapshot_id="c" * 24)
    add_restore_job(world, orders)
    add_restore_job(world, orders, RestoreStage.FAILED, restore_job_id="d" * 24)
    world.db.transact(lambda tx: snapshots.delete(tx, "c" * 24))

    assert told_of(await scraped(world), "telamon_jobs_ended_total") == {
        ("take_snapshot", "finished"): 1,
        ("take_snapshot", "failed"): 1,
        ("delete_snapshot", "finished"): 1,
        ("delete_snapshot", "failed"): 0,
        ("restore", "finished"): 1,
        ("restore", "failed"): 1,
        ("restore", "cancelled"): 0,
        ("prune", "finished"): 0,
        ("prune", "failed"): 0,
        ("check", "finished"): 0,
        ("check", "failed"): 0,
        ("drill", "finished"): 0,
        ("drill", "failed"): 0,
    }


async def test_what_the_last_check_found_is_told_once_there_was_one(world: World) -> None:
    names = {"telamon_repository_findings", "telamon_repository_checked_timestamp_seconds"}
    assert not {key[0] for key in await scraped(world)} & names

    add_repository_job(world, job_id="e" * 24)
    samples = await scraped(world)

    assert samples["telamon_jobs_ended_total", "check", "finished"] == 1
    assert samples["telamon_repository_findings",] == 0
    assert samples["telamon_repository_checked_timestamp_seconds",] == TAKEN_AT.timestamp()


async def test_a_job_that_ends_twice_is_counted_once(world: World, orders: Instance) -> None:
    snapshot_id = add_snapshot(world, orders)
    world.db.transact(lambda tx: snapshots.fail(tx, snapshot_id, failure="late", at=NOW))

    ended = told_of(await scraped(world), "telamon_jobs_ended_total")

    assert (ended["take_snapshot", "finished"], ended["take_snapshot", "failed"]) == (1, 0)


async def test_the_newest_good_snapshot_is_measured(world: World, orders: Instance) -> None:
    add_snapshot(world, orders, requested_at=TAKEN_AT - timedelta(hours=1), snapshot_id="b" * 24)
    add_snapshot(world, orders)
    add_snapshot(world, orders, SnapshotStatus.FAILED, snapshot_id="c" * 24, requested_at=NOW)

    samples = await scraped(world)

    assert {key[0]: value for key, value in samples.items() if key[1:] == ORDERS} == {
        "telamon_seconds_since_good_snapshot": 1800,
        "telamon_last_snapshot_bytes": SIZE_BYTES,
        "telamon_last_snapshot_new_bytes": 4096,
        "telamon_last_snapshot_seconds": 20,
        "telamon_last_snapshot_bytes_per_second": SIZE_BYTES / 20,
        "telamon_schedule_lag_seconds": 0,
    }


@pytest.mark.usefixtures("orders")
async def test_an_instance_without_any_is_as_old_as_it_is(world: World) -> None:
    """So that a rule which wakes somebody when it is too old wakes for these, too."""
    world.clock.advance(days=2)

    samples = await scraped(world)

    assert told_of(samples, "telamon_seconds_since_good_snapshot") == {ORDERS: 172_800}
    assert told_of(samples, "telamon_last_snapshot_bytes") == {}


async def test_the_last_drill_that_passed_is_measured(world: World, orders: Instance) -> None:
    assert told_of(await scraped(world), "telamon_seconds_since_good_drill") == {}
    add_drill(world, orders, drill_id="65a0000000000000000000f1")
    world.clock.advance(hours=1)
    add_drill(world, orders, drill_id="65a0000000000000000000f2", failure="no")

    samples = await scraped(world)

    assert told_of(samples, "telamon_seconds_since_good_drill") == {ORDERS: 3600}
    ended = told_of(samples, "telamon_jobs_ended_total")
    assert (ended["drill", "finished"], ended["drill", "failed"]) == (1, 1)


@pytest.mark.usefixtures("orders")
async def test_the_lag_is_for_how_long_a_run_has_been_due(world: World) -> None:
    world.clock.advance(hours=6, minutes=7)
    assert told_of(await scraped(world), "telamon_schedule_lag_seconds") == {ORDERS: 420}

    ScheduledSnapshots(world.db, world.queue, clock=world.clock, new_id=world.new_id).take_due()

    assert told_of(await scraped(world), "telamon_schedule_lag_seconds") == {ORDERS: 0}


@pytest.mark.usefixtures("orders")
async def test_where_schedules_are_off_nothing_lags(world: World) -> None:
    world.clock.advance(days=1)

    measured = await Metrics(world.db, clock=world.clock, schedules=False).read()

    assert (len(measured.instances), measured.lags) == (1, {})


async def test_the_repository_is_as_large_as_it_was_when_somebody_looked(
    world: World, orders: Instance
) -> None:
    assert not [key for key in await scraped(world) if key[0].startswith("telamon_repository")]
    add_snapshot(world, orders)
    for stored_bytes in (1, 2**40):
        world.db.transact(
            lambda tx, n=stored_bytes: measurements.put_repository_size(  # type: ignore[misc]
                tx, measured_at=NOW, packs=3, stored_bytes=n
            )
        )

    samples = await scraped(world)

    assert {key[0]: value for key, value in samples.items() if len(key) == 1} == {
        "telamon_repository_packs": 3,
        "telamon_repository_stored_bytes": 2**40,
        "telamon_repository_snapshots": 1,
        "telamon_repository_logical_bytes": SIZE_BYTES,
        "telamon_repository_measured_timestamp_seconds": NOW.timestamp(),
    }


async def test_a_name_is_told_as_it_is_and_a_deleted_instance_no_more(
    world: World, orders: Instance
) -> None:
    world.add_instance("second", instance_id=OTHER_INSTANCE_ID)
    with world.db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE instance SET deleted_at = 1 WHERE id = ?", (orders.id,))

    samples = await scraped(world)

    assert list(told_of(samples, "telamon_seconds_since_good_snapshot")) == [(GROUP, "second")]


async def asked_by_a_scrape(world: World) -> list[str]:
    """The first word of each statement."""
    client, asked = calling(world), []

    def keep(*arguments: object) -> None:
        asked.append(str(arguments[2]).split()[0])

    event.listen(world.db.engine, "before_cursor_execute", keep)
    await client.get("/metrics")
    event.remove(world.db.engine, "before_cursor_execute", keep)
    return asked


@pytest.mark.usefixtures("orders")
async def test_a_scrape_is_one_transaction_of_seven_statements_for_however_many_instances(
    world: World,
) -> None:
    one = await asked_by_a_scrape(world)
    for number in range(3):
        world.add_instance(f"more{number}", instance_id=f"{number:024x}")

    assert one == await asked_by_a_scrape(world) == ["BEGIN", *["SELECT"] * 7]


@pytest.mark.usefixtures("orders")
async def test_nothing_of_a_library_or_of_the_process_is_in_it(world: World) -> None:
    assert {key[0].split("_")[0] for key in await scraped(world)} == {"telamon"}
