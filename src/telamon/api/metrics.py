"""Measurements in the text format of Prometheus. Every name is in docs/operations.md."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from telamon.model.measurements import MeasuredInstance
from telamon.operations.metrics import Measured

CONTENT_TYPE = CONTENT_TYPE_LATEST
_INSTANCE = ("group_id", "instance")
_BY_KIND = ("kind", "state")


def rendered(measured: Measured) -> bytes:
    """One page, of a registry of its own: nothing that a library measures by itself is in it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(measured))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        yield from self._jobs()
        yield from self._snapshots()
        yield from self._drills()
        yield from self._schedules()
        yield from self._oplogs()
        yield from self._repository()
        yield from self._check()

    def _jobs(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("telamon_jobs", "Jobs that wait or run.", labels=_BY_KIND)
        oldest = GaugeMetricFamily(
            "telamon_oldest_job_seconds",
            "How long the oldest job has been waiting or running.",
            labels=_BY_KIND,
        )
        for each in self._measured.jobs_in_flight:
            labels = (each.kind, "running" if each.is_running else "queued")
            jobs.add_metric(labels, each.jobs)
            age = (self._measured.now - each.oldest_at).total_seconds()
            oldest.add_metric(labels, max(0.0, age))
        ended = CounterMetricFamily(
            "telamon_jobs_ended", "Jobs that have ended.", labels=("kind", "outcome")
        )
        for total in self._measured.jobs_ended:
            ended.add_metric((total.kind, total.outcome), total.jobs)
        yield from (jobs, oldest, ended)

    def _snapshots(self) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            "telamon_seconds_since_good_snapshot",
            "Age of what the newest good snapshot holds; of the instance, if it has none.",
            labels=_INSTANCE,
        )
        size = GaugeMetricFamily(
            "telamon_last_snapshot_bytes",
            "Bytes of documents in the newest good snapshot.",
            labels=_INSTANCE,
        )
        new = GaugeMetricFamily(
            "telamon_last_snapshot_new_bytes",
            "Bytes that the newest good snapshot added to the repository.",
            labels=_INSTANCE,
        )
        duration = GaugeMetricFamily(
            "telamon_last_snapshot_seconds",
            "How long the newest good snapshot took.",
            labels=_INSTANCE,
        )
        rate = GaugeMetricFamily(
            "telamon_last_snapshot_bytes_per_second",
            "Bytes of documents in the newest good snapshot, by the second that it took.",
            labels=_INSTANCE,
        )
        for instance in self._measured.instances:
            labels, newest = _labels(instance), instance.newest
            since = newest.taken_at if newest else instance.created_at
            age.add_metric(labels, max(0.0, (self._measured.now - since).total_seconds()))
            if newest is None:
                continue
            size.add_metric(labels, newest.size_bytes)
            new.add_metric(labels, newest.new_bytes)
            if newest.seconds is not None:
                duration.add_metric(labels, newest.seconds)
                # Nothing finer than a second is written down.
                rate.add_metric(labels, newest.size_bytes / max(1, newest.seconds))
        yield from (age, size, new, duration, rate)

    def _drills(self) -> Iterator[Metric]:
        """An instance of which none has passed is not there."""
        age = GaugeMetricFamily(
            "telamon_seconds_since_good_drill",
            "For how long no drill of the instance has passed.",
            labels=_INSTANCE,
        )
        for instance in self._measured.instances:
            if instance.drilled_at is not None:
                seconds = (self._measured.now - instance.drilled_at).total_seconds()
                age.add_metric(_labels(instance), max(0.0, seconds))
        yield age

    def _schedules(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "telamon_schedule_lag_seconds",
            "For how long a snapshot has been due that nobody has asked for; 0 if none is.",
            labels=_INSTANCE,
        )
        for instance in self._measured.instances:
            found = self._measured.lags.get(instance.instance_id)
            if found is not None:
                lag.add_metric(_labels(instance), found.total_seconds())
        yield lag

    def _oplogs(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "telamon_oplog_lag_seconds",
            "How far behind now what is captured of the oplog ends.",
            labels=_INSTANCE,
        )
        for instance in self._measured.instances:
            found = self._measured.oplog_lags.get(instance.instance_id)
            if found is not None:
                lag.add_metric(_labels(instance), found.total_seconds())
        yield lag

    def _repository(self) -> Iterator[Metric]:
        found = self._measured.repository
        if found is None:
            return
        for name, text, value in (
            ("packs", "Packs.", found.packs),
            ("stored_bytes", "Bytes of all packs.", found.stored_bytes),
            ("snapshots", "Snapshots that can be restored.", found.snapshots),
            ("logical_bytes", "Bytes of documents in them.", found.logical_bytes),
            (
                "measured_timestamp_seconds",
                "When the repository was measured.",
                found.measured_at.timestamp(),
            ),
        ):
            yield GaugeMetricFamily(f"telamon_repository_{name}", text, value=value)

    def _check(self) -> Iterator[Metric]:
        last = self._measured.last_check
        if last is None or last.finished_at is None:
            return
        yield GaugeMetricFamily(
            "telamon_repository_findings", "Findings of the last check.", value=last.findings or 0
        )
        yield GaugeMetricFamily(
            "telamon_repository_checked_timestamp_seconds",
            "When the last check ended.",
            value=last.finished_at.timestamp(),
        )


def _labels(instance: MeasuredInstance) -> tuple[str, str]:
    return instance.group_id, instance.name
