"""One tree of errors. A class carries what the wire and the shell need to know of it.

::

    TelamonError                  500  UNEXPECTED_ERROR        exit 1
      InvalidRequest              4xx  (a code per class)      exit 2
      Unauthorized                401                          exit 77
      Forbidden                   403                          exit 77
      NotFound                    404                          exit 4
      Conflict                    409                          exit 5
      ConfigurationError          500  a setting is wrong      exit 78
      Unavailable                 503  try again later         exit 75
      SnapshotFailed              500  the snapshot could not be taken
      RestoreFailed               500  the restore could not be done
      Unrecoverable               500  a person must look      exit 90

``detail`` is a template in which each ``%s`` is a parameter, in order; the wire shows both
(contract section 5.1). A parameter must never be a secret.
"""

from typing import ClassVar


class TelamonError(Exception):
    """Anything that goes wrong and that Telamon has words for."""

    status: ClassVar[int] = 500
    error_code: ClassVar[str] = "UNEXPECTED_ERROR"
    exit_code: ClassVar[int] = 1
    detail: ClassVar[str] = "Unexpected error."

    def __init__(self, *parameters: str) -> None:
        self.parameters = parameters
        super().__init__(self.message)

    def __reduce__(self) -> tuple[type["TelamonError"], tuple[str, ...]]:
        return type(self), self.parameters

    @property
    def message(self) -> str:
        """``detail`` with its parameters filled in."""
        return self.detail % self.parameters if self.parameters else self.detail


# 400: the request itself


class InvalidRequest(TelamonError):
    """The request cannot be understood or asks for what nobody could do."""

    status = 400
    error_code = "VALIDATION_ERROR"
    exit_code = 2
    detail = "The request content produced the validation error: %s."


class InvalidAttribute(InvalidRequest):
    """A body has a field that is unknown here, or one with a value of the wrong kind."""

    error_code = "INVALID_ATTRIBUTE"
    detail = "Invalid attribute %s specified."


class MissingAttribute(InvalidRequest):
    error_code = "MISSING_ATTRIBUTE"
    detail = "The required attribute %s was not specified."


class InvalidEnumValue(InvalidRequest):
    error_code = "INVALID_ENUM_VALUE"
    detail = "An invalid enumeration value %s was specified."


class InvalidQueryParameter(InvalidRequest):
    error_code = "INVALID_QUERY_PARAMETER"
    detail = "Invalid query parameter %s specified."


class MalformedJson(InvalidRequest):
    error_code = "MALFORMED_JSON"
    detail = "Received JSON is malformed."


class InvalidJson(InvalidRequest):
    error_code = "INVALID_JSON"
    detail = "Received JSON does not match expected format."


class BodyTooLarge(InvalidRequest):
    status = 413
    error_code = "REQUEST_BODY_TOO_LARGE"
    detail = "The request body is larger than %s bytes."


class InvalidVersionDate(InvalidRequest):
    """The ``Accept`` header names no version that this resource has (contract section 6.2)."""

    status = 406
    error_code = "INVALID_VERSION_DATE"
    detail = "Invalid accept header or version date."


class VersionGone(InvalidRequest):
    """A version past its sunset. Parameters: date, path without its leading slash."""

    status = 410
    error_code = "VERSION_GONE"
    detail = "Version %s of %s is no longer available."


class InvalidClusterName(InvalidRequest):
    error_code = "CLUSTER_NAME_INVALID"
    detail = "The cluster name %s is invalid. The name can only contain ASCII letters, numbers, and hyphens."


class DuplicateClusterName(InvalidRequest):
    """Parameters: what it is, its name, the group's id."""

    error_code = "DUPLICATE_CLUSTER_NAME"
    detail = "A %s named %s is already present in group %s."


class TerminationProtected(InvalidRequest):
    """The parameter is a whole sentence that the template has no place for, as recorded."""

    error_code = "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED"
    detail = "Cannot terminate a cluster when termination protection is enabled. Disable termination protection and try again."

    @property
    def message(self) -> str:
        return self.detail


class AlreadyDeleting(InvalidRequest):
    error_code = "CLUSTER_ALREADY_REQUESTED_DELETION"
    detail = "The cluster %s has already been requested for deletion."


class DeploymentRefused(InvalidRequest):
    """A deployment that cannot be protected: unreachable, of a kind not supported, or closed to us."""

    error_code = "DEPLOYMENT_REFUSED"
    detail = "The deployment cannot be protected: %s"


# 401 and 403: the caller


class Unauthorized(TelamonError):
    """Known to us or not, the caller may not do this."""

    status = 401
    error_code = "USER_UNAUTHORIZED"
    exit_code = 77
    detail = "Current user is not authorized to perform this action."


class NotInGroup(Unauthorized):
    """A project of another organization, or one that never was: the answer tells neither apart."""

    error_code = "NOT_IN_GROUP"
    detail = "The current user is not in the group, or the group does not exist."


class Forbidden(TelamonError):
    status = 403
    error_code = "ACCESS_FORBIDDEN"
    exit_code = 77
    detail = "Access to this resource is forbidden."


class AddressNotOnAccessList(Forbidden):
    error_code = "IP_ADDRESS_NOT_ON_ACCESS_LIST"
    detail = "IP address %s is not allowed to access this resource."


class OrgRequiresAccessList(Forbidden):
    """Its parameter, the caller's address, stands beside the text and not in it."""

    error_code = "ORG_REQUIRES_ACCESS_LIST"
    detail = "This organization requires access through an access list of ip ranges."

    @property
    def message(self) -> str:
        return self.detail


class ResourceRequiresAccessList(OrgRequiresAccessList):
    error_code = "RESOURCE_REQUIRES_ACCESS_LIST"
    detail = "This resource requires access through an access list of ip ranges."


class CannotRestoreToTarget(Forbidden):
    error_code = "CANNOT_RESTORE_TO_TARGET"
    detail = "Cannot restore with insufficient permission on source snapshot or target cluster."


class FeatureUnsupported(Forbidden):
    error_code = "FEATURE_UNSUPPORTED"
    detail = "Feature unsupported: %s."


# 404 and 409: the thing


class NotFound(TelamonError):
    """A path that leads nowhere."""

    status = 404
    error_code = "RESOURCE_NOT_FOUND"
    exit_code = 4
    detail = "Cannot find resource %s."


class InvalidGroupId(NotFound):
    error_code = "INVALID_GROUP_ID"
    detail = "An invalid group ID %s was specified."


class InvalidSnapshotId(NotFound):
    error_code = "INVALID_SNAPSHOT_ID"
    detail = "An invalid snapshot ID %s was specified."


class InvalidJobId(NotFound):
    error_code = "INVALID_JOB_ID"
    detail = "An invalid restore job ID %s was specified."


class GroupNotFound(NotFound):
    error_code = "GROUP_NOT_FOUND"
    detail = "No group with ID %s exists."


class InstanceNotFound(NotFound):
    """Parameters: the instance's name, the group's id."""

    error_code = "SERVERLESS_INSTANCE_NOT_FOUND"
    detail = "No serverless instance named %s exists in group %s."


class SnapshotNotFound(NotFound):
    """Parameters: the snapshot's id, the instance's name."""

    error_code = "SNAPSHOT_NOT_FOUND"
    detail = "No snapshot with ID %s exists for cluster %s."


class RestoreJobNotFound(NotFound):
    """Parameters: the restore job's id, the instance's name."""

    error_code = "RESTORE_JOB_NOT_FOUND"
    detail = "No restore job with ID %s exists for cluster %s."


class Conflict(TelamonError):
    status = 409
    error_code = "CONFLICT"
    exit_code = 5
    detail = "The request conflicts with the present state: %s."


class RestoreInProgress(Conflict):
    error_code = "ATLAS_CLUSTER_RESTORE_IN_PROGRESS"
    detail = "Cluster restore already in progress."


class RestoreNotPossible(Conflict):
    """The snapshot or the target is in a state from which no restore can start."""

    error_code = "RESTORE_INITIATION_FAILED"
    detail = "The restore cannot start: %s."


class SnapshotNotPossible(Conflict):
    """The instance is in a state in which no snapshot of it can be taken."""

    error_code = "SNAPSHOT_INITIATION_FAILED"
    detail = "The snapshot cannot start: %s."


# What happens behind the wire


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


class SnapshotFailed(TelamonError):
    """A snapshot could not be taken; the parameter says why, for a person."""

    detail = "%s"


class CatalogChanged(SnapshotFailed):
    """Collections or indexes changed under the snapshot; it can be tried again from its start."""


class RestoreFailed(TelamonError):
    """A restore could not be done; the parameter says why and what the target holds now."""

    detail = "%s"


class Unrecoverable(TelamonError):
    """Trying again will not help: a person must look."""

    exit_code = 90
    detail = "%s"


class IntegrityError(Unrecoverable):
    """Stored bytes are not the bytes that were written. The parameter names the object and the harm."""


class UnknownFormat(Unrecoverable):
    """An object of a format or version that this program does not know."""


class SecretUnreadable(Unrecoverable):
    """A sealed value cannot be opened: another master key, or a changed row."""
