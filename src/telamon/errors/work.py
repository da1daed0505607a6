"""What happens behind the wire: settings, deployments, stores, snapshots, restores."""

from telamon.errors.base import TelamonError


class ConfigurationError(TelamonError):
    """A setting that cannot work. The parameter names it and says what to do."""

    exit_code = 78
    detail = "%s"


class Unavailable(TelamonError):
    """Something that is needed cannot be reached just now."""

    status = 503
    exit_code = 75
    detail = "%s"


class DeploymentUnavailable(Unavailable):
    """A MongoDB deployment does not answer, or stopped answering."""


class LockLost(Unavailable):
    """A lock of the database is not held any more; what counted on it must begin again."""


class WorkerReplaced(Unavailable):
    """A worker was silent for too long: others have its jobs now, and it may not write any more."""


class SnapshotFailed(TelamonError):
    """A snapshot could not be taken; the parameter says why, for a person."""

    detail = "%s"


class CatalogChanged(SnapshotFailed):
    """Collections or indexes changed under the snapshot; it can be tried again from its start."""


class OplogGap(SnapshotFailed):
    """What followed an entry of the oplog cannot be told any more; the parameter says why."""


class RestoreFailed(TelamonError):
    """A restore could not be done; the parameter says why and what the target holds now."""

    detail = "%s"


class RestoreCancelled(RestoreFailed):
    """Somebody asked for the end of a restore, or of the preparation of a download."""

    detail = "It was cancelled."


class RepositoryJobFailed(TelamonError):
    """A prune or check of the repository could not be done; the parameter says why."""

    detail = "%s"


class DrillFailed(TelamonError):
    """A drill could not be done, or did not find what the snapshot has; the parameter says which."""

    detail = "%s"


class Unrecoverable(TelamonError):
    """Trying again will not help: a person must look."""

    exit_code = 90
    detail = "%s"


class IntegrityError(Unrecoverable):
    """Stored bytes are not the bytes that were written. The parameter names the object and the harm."""


class SnapshotExists(IntegrityError):
    """A snapshot was to be written that is there already, with other contents."""


class UnknownFormat(Unrecoverable):
    """An object of a format or version that this program does not know."""


class SecretUnreadable(Unrecoverable):
    """A sealed value cannot be opened: another master key, or a changed row."""


class ReportUnreadable(Unrecoverable):
    """A file is no signed report of a drill. The parameter says what it lacks."""

    detail = "This is no signed report of a drill. %s"


class ReportAltered(Unrecoverable):
    """A report of a drill that somebody changed, or that was damaged. The parameter says where."""

    detail = "The report was altered after it was signed. %s"


class WrongReportKey(Unrecoverable):
    """Parameters: the id of the key that signed the report, of the one that was to have."""

    detail = "The report is signed by another key: %s, and not %s."
