"""400, 413, 429 and kin: what a caller asks for cannot be done as it was asked."""

from telamon.errors.base import TelamonError


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


class InvalidPointInTime(InvalidRequest):
    """A moment is given in both ways, or in neither."""

    error_code = "INVALID_PIT_RESTORE_TIME"
    detail = "Please provide a valid UTC time or an operation time (ts)."


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


class InvalidSelection(InvalidRequest):
    """A part of a snapshot that no restore could bring back. The parameter says why."""

    error_code = "INVALID_RESTORE_SELECTION"
    detail = "The selection cannot be restored: %s."


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


class TooManyRequests(TelamonError):
    """Parameters: path without its leading slash, seconds to wait, capacity, refill, seconds a refill."""

    status = 429
    error_code = "RATE_LIMITED_TOKEN_BUCKET"
    exit_code = 75
    detail = "Rate limit exceeded for %s. Please retry after %s seconds. Request capacity: %s. Refill rate: %s per %s seconds."


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
