"""Restore jobs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from telamon.model.manifest import ClusterTime
from telamon.model.restore_options import USUAL, RestoreOptions


class DeliveryType(StrEnum):
    """How the data is delivered; words of the wire."""

    AUTOMATED = "automated"
    """Put back into an instance."""
    DOWNLOAD = "download"
    """A file to fetch."""
    POINT_IN_TIME = "pointInTime"
    """Put back as of a moment between two snapshots."""


class RestoreStage(StrEnum):
    """How far a job has come. The wire shows only flags; Telamon's own view shows this."""

    QUEUED = "queued"
    """No worker has taken it up."""
    LOADING = "loading"
    """Documents go into shadow namespaces; the target's own data is untouched. Or a download is being
    prepared: every chunk is read once."""
    SWAPPING = "swapping"
    """Shadows take the places of the target's namespaces."""
    FINISHED = "finished"
    """The target holds the snapshot, or the download can be fetched."""
    FAILED = "failed"
    """It ended without; ``failure`` says why and what the target holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreJob:
    """A request to restore one snapshot.

    ``sequence`` numbers the jobs of the snapshot's instance from 1, without gaps, in the order
    they were made; those that Atlas keeps in a list of their own count from -1 downwards. ``snapshot_taken_at`` is the moment whose data the target gets. A download has no
    target: ``target_instance_id`` is None, and the other fields of the target are what the caller
    wrote there, most likely nothing. ``expires_at`` is when the job's record is not kept any more; of
    a download that is ready, when it cannot be fetched any more.
    """

    id: str
    group_id: str
    instance_id: str
    sequence: int
    delivery_type: DeliveryType
    snapshot_id: str
    snapshot_taken_at: datetime
    target_group_id: str
    target_instance_id: str | None
    target_cluster_name: str
    target_deployment_item_name: str
    created_at: datetime
    expires_at: datetime
    finished_at: datetime | None
    stage: RestoreStage
    cancelled: bool
    failure: str | None
    documents: int
    """Restored so far."""
    documents_total: int
    size_bytes: int
    """Restored so far, before compression."""
    size_bytes_total: int
    namespaces: int = 0
    """Restored so far, indexes included; views and time series come last, all at once."""
    namespaces_total: int = 0
    snapshot_finished_at: datetime | None = None
    """When the snapshot was done; None for jobs from before this was kept."""
    point_in_time: ClusterTime | None = None
    """The moment that is restored, of a job for a point in time: all that was written by then. Without
    an increment it is a second's beginning."""
    options: RestoreOptions = USUAL
    cancel_requested_at: datetime | None = None
    """Of one that a worker had begun: it ends as soon as the worker sees it."""

    @property
    def is_of_part(self) -> bool:
        """Whether only a part of the snapshot is restored."""
        return self.options.selection is not None

    @property
    def failed(self) -> bool:
        return self.stage is RestoreStage.FAILED

    @property
    def is_ready(self) -> bool:
        """Whether it is a download that can be fetched, or could until it expired."""
        return self._is_download and self.stage is RestoreStage.FINISHED

    @property
    def has_expiry(self) -> bool:
        """Whether ``expires_at`` means anything: it does not in a download that is not ready."""
        return self.is_ready or not self._is_download

    def is_expired(self, now: datetime) -> bool:
        """Whether ``expires_at`` has come."""
        return self.has_expiry and now >= self.expires_at

    @property
    def _is_download(self) -> bool:
        return self.delivery_type is DeliveryType.DOWNLOAD
