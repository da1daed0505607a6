"""One tree of errors. A class carries what the wire and the shell need to know of it.

::

    TelamonError                  500  UNEXPECTED_ERROR        exit 1
      InvalidRequest              4xx  (a code per class)      exit 2
      Unauthorized                401                          exit 77
      Forbidden                   403                          exit 77
      NotFound                    404                          exit 4
      Conflict                    409                          exit 5
      TooManyRequests             429  try again later         exit 75
      OAuthRefusal                4xx  in OAuth's own shape    exit 2
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

    def __init__(self, *parameters: str | int) -> None:
        self.parameters = parameters
        super().__init__(self.message)

    def __reduce__(self) -> tuple[type["TelamonError"], tuple[str | int, ...]]:
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


class ClusterIsDeleting(InvalidRequest):
    """A change to what is being deleted. The parameter is the reason, a whole sentence."""

    error_code = "ATLAS_GENERAL_ERROR"
    detail = "Reason: %s."


class WrongKind(InvalidRequest):
    """An instance that other paths are for. Clients try those next, and go by the code."""

    error_code = "INCORRECT_BACKUP_API_ENDPOINT"
    detail = "The cluster %s cannot be used here."


class FlexInClusterApi(WrongKind):
    error_code = "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API"
    detail = "Flex cluster %s cannot be used in the Cluster API."


class ServerlessInClusterApi(WrongKind):
    error_code = "CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API"
    detail = "Serverless instance %s cannot be used in the Cluster API."


class NonFlexInFlexApi(WrongKind):
    error_code = "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API"
    detail = "Cannot use non-flex cluster %s in the flex API."


class ClusterInServerlessApi(WrongKind):
    error_code = "CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API"
    detail = "Cluster %s cannot be used in the Serverless Instance API."


class CannotCancel(InvalidRequest):
    """Parameters: the restore job's id, why not."""

    error_code = "CANNOT_CANCEL_AUTOMATED_RESTORE"
    detail = "The restore job %s cannot be cancelled: %s."


class InvalidGroupName(InvalidRequest):
    error_code = "INVALID_GROUP_NAME"
    detail = "The group name %s is invalid: 1 to 64 letters, digits, blanks or any of -_.(),:&@+' are valid."


class TooManyGroups(InvalidRequest):
    """Parameters: how many an organization may have, the organization's id."""

    error_code = "MAX_GROUPS_PER_ORG_EXCEEDED"
    detail = (
        "Maximum number of groups per organization (%s) in %s exceeded while trying to add group."
    )


class InvalidNetwork(InvalidRequest):
    """What should be an address or a network and is neither."""

    error_code = "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"
    detail = "%s is neither an IP address nor a network in CIDR notation."


class SeveralNetworks(InvalidRequest):
    error_code = "MULTIPLE_VALUES_SPECIFIED_FOR_ONE_NETWORK_PERMISSION_ENTRY"
    detail = (
        "An access list entry takes one address, one network or one security group, not several."
    )


class CallersAddress(InvalidRequest):
    """A caller that would shut itself out."""

    error_code = "CANNOT_REMOVE_CALLER_FROM_WHITELIST"
    detail = (
        "The address %s, from which this request comes, cannot be removed from the access list."
    )


class ExpirationInPast(InvalidRequest):
    error_code = "EXPIRATION_DATE_IN_PAST"
    detail = "The date of expiration must lie in the future."


class MissingRoles(InvalidRequest):
    error_code = "MISSING_API_KEY_ROLES"
    detail = "At least one role is needed."


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


class CannotAccessOrg(Unauthorized):
    """Another organization than the caller's, or one that never was."""

    error_code = "USER_CANNOT_ACCESS_ORG"
    detail = "The current user is not in the organization, or the organization does not exist."


class NotGroupCreator(Unauthorized):
    error_code = "NOT_ORG_GROUP_CREATOR"
    detail = "The current user does not have the group creator role in organization %s."


class AccessListDenied(Unauthorized):
    error_code = "API_KEY_ACCESS_LIST_ACCESS_DENIED"
    detail = "The access list of an API key can be changed by the key itself or by an owner of its organization."


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


class GroupNameNotFound(NotFound):
    error_code = "GROUP_NAME_NOT_FOUND"
    detail = "No group named %s exists."


class InvalidOrgId(NotFound):
    error_code = "INVALID_ORG_ID"
    detail = "An invalid organization ID %s was specified."


class ApiKeyNotFound(NotFound):
    error_code = "API_KEY_NOT_FOUND"
    detail = "No API key with ID %s exists."


class AccessListEntryNotFound(NotFound):
    """Of an API key's or a service account's list. Parameters: the entry, whose list it is."""

    error_code = "API_KEY_WHITELIST_NOT_FOUND"
    detail = "IP address %s is not on the access list of %s."


class NetworkPermissionNotFound(NotFound):
    """Of a project's list. Parameters: the entry, the group's id."""

    error_code = "ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND"
    detail = "IP Address %s not on Atlas whitelist for group %s."


class ServiceAccountNotFound(NotFound):
    error_code = "SERVICE_ACCOUNT_NOT_FOUND"
    detail = "No service account with client ID %s exists."


class SecretNotFound(NotFound):
    """Parameters: the secret's id, the service account's client id."""

    error_code = "SERVICE_ACCOUNT_SECRET_NOT_FOUND"
    detail = "No secret with ID %s exists for service account %s."


class EndpointSetNotFound(NotFound):
    error_code = "RATE_LIMIT_ENDPOINT_SET_NOT_FOUND"
    detail = "No rate limit endpoint set with ID %s exists."


class InstanceNotFound(NotFound):
    """Parameters: the instance's name, the group's id."""

    error_code = "SERVERLESS_INSTANCE_NOT_FOUND"
    detail = "No serverless instance named %s exists in group %s."


class ClusterNotFound(InstanceNotFound):
    """Flex or dedicated."""

    error_code = "CLUSTER_NOT_FOUND"
    detail = "No cluster named %s exists in group %s."


class SnapshotNotFound(NotFound):
    """Parameters: the snapshot's id, the instance's name."""

    error_code = "SNAPSHOT_NOT_FOUND"
    detail = "No snapshot with ID %s exists for cluster %s."


class FlexSnapshotNotFound(SnapshotNotFound):
    error_code = "TENANT_SNAPSHOT_NOT_FOUND"
    detail = "No Flex snapshot with ID %s exists for cluster %s."


class NamespaceNotFound(NotFound):
    """A snapshot has no such database, or no such collection. Parameters: its name, the snapshot's id."""

    error_code = "SNAPSHOT_NAMESPACE_NOT_FOUND"
    detail = "There is no %s in snapshot %s."


class BackupConfigNotFound(NotFound):
    """A cluster without a schedule. Parameters: the cluster's id, the group's id."""

    error_code = "BACKUP_CONFIG_NOT_FOUND"
    detail = "No backup configuration exists for cluster %s in group %s."


class RestoreJobNotFound(NotFound):
    """Parameters: the restore job's id, the instance's name."""

    error_code = "RESTORE_JOB_NOT_FOUND"
    detail = "No restore job with ID %s exists for cluster %s."


class FlexRestoreJobNotFound(RestoreJobNotFound):
    error_code = "TENANT_RESTORE_NOT_FOUND"
    detail = "No Flex restore with ID %s exists for cluster %s."


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


class SnapshotInUse(Conflict):
    """What a job works on cannot be deleted. Parameters: the snapshot's id, what works on it."""

    error_code = "SNAPSHOT_IN_USE"
    detail = "The snapshot %s cannot be deleted: %s."


class GroupAlreadyExists(Conflict):
    error_code = "GROUP_ALREADY_EXISTS"
    detail = 'A group with name "%s" already exists.'


class GroupNotEmpty(Conflict):
    error_code = "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS"
    detail = "Cannot close group %s while it has active clusters or instances."


class OrgNotEmpty(Conflict):
    error_code = "ORG_NOT_EMPTY"
    detail = "Cannot delete organization %s while it has projects."


class AddressAlreadyListed(Conflict):
    error_code = "ADDRESS_ALREADY_IN_WHITELIST"
    detail = "IP address %s is on the access list already."


# 429: too much of it


class TooManyRequests(TelamonError):
    """Parameters: path without its leading slash, seconds to wait, capacity, refill, seconds a refill."""

    status = 429
    error_code = "RATE_LIMITED_TOKEN_BUCKET"
    exit_code = 75
    detail = "Rate limit exceeded for %s. Please retry after %s seconds. Request capacity: %s. Refill rate: %s per %s seconds."


# The token endpoint


class OAuthRefusal(TelamonError):
    """What RFC 6749 section 5.2 has a code for. Its body is OAuth's, not Atlas's."""

    status = 400
    error_code = "invalid_request"
    exit_code = 2
    detail = "The request is not one for a token: %s."


class UnsupportedGrantType(OAuthRefusal):
    error_code = "unsupported_grant_type"
    detail = "The grant type must be client_credentials."


class InvalidClient(OAuthRefusal):
    status = 401
    error_code = "invalid_client"
    detail = "Invalid credentials provided."


class TooManyTokenRequests(OAuthRefusal):
    """Parameters: the URL, how many requests, in how many minutes."""

    status = 429
    error_code = "rate_limited"
    detail = "Resource %s is limited to %s requests every %s minutes."


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
