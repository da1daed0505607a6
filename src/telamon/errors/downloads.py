"""What is wrong with asking for a download, and with fetching one."""

from telamon.errors.requests import InvalidRequest
from telamon.errors.resources import Conflict, NotFound


class SnapshotIncomplete(Conflict):
    """Parameters: the snapshot's id, its status."""

    error_code = "CANNOT_DOWNLOAD_INCOMPLETE_SNAPSHOT"
    detail = "The snapshot %s cannot be downloaded: it is %s, not completed."


class DownloadInProgress(InvalidRequest):
    """One at a time is prepared for a snapshot."""

    error_code = "CANNOT_DOWNLOAD_SNAPSHOT_CONCURRENTLY"
    detail = "A download of snapshot %s is being prepared already."


class TooManyDownloads(InvalidRequest):
    """Parameters: how many may be prepared at once, the group's id."""

    error_code = "TOO_MANY_SNAPSHOT_DOWNLOADS"
    detail = "%s downloads of snapshots are being prepared in group %s, which is as many as may be."


class DownloadNotFound(NotFound):
    """A link that nobody here has signed. It is not repeated: whoever has a link has the data."""

    error_code = "DOWNLOAD_NOT_FOUND"
    detail = "There is no such download."


class DownloadGone(InvalidRequest):
    """It was there: the time is over, or it was cancelled, or its snapshot was deleted."""

    status = 410
    error_code = "DOWNLOAD_EXPIRED"
    detail = "The download is over. Ask for another one."


class RangeNotSatisfiable(InvalidRequest):
    """A range that begins after the end. The parameter is the length in bytes."""

    status = 416
    error_code = "RANGE_NOT_SATISFIABLE"
    detail = "The range does not lie in the %s bytes that there are."
