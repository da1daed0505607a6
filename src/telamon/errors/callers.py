"""401 and 403: the caller may not do it."""

from telamon.errors.base import TelamonError


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
