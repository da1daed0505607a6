"""404 and 409: the thing is not there, or not in a state for it."""

from telamon.errors.base import TelamonError


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


class InvalidDrillId(NotFound):
    error_code = "INVALID_DRILL_ID"
    detail = "An invalid drill ID %s was specified."


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


class PointInTimeUnreachable(NotFound):
    """No snapshot from before, or what was captured of the oplog does not lead on from it.

    The parameters: the moment, and why. The code's digit zero is Atlas's.
    """

    error_code = "UNABLE_T0_FIND_SNAPSHOT_PRIOR_TO_PIT_RESTORE_OPTIME"
    detail = "There is no way to restore to %s: %s."


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


class RepositoryJobNotFound(NotFound):
    error_code = "REPOSITORY_JOB_NOT_FOUND"
    detail = "No job of the repository with ID %s exists."


class DrillNotFound(NotFound):
    """Parameters: the drill's id, the instance's name."""

    error_code = "DRILL_NOT_FOUND"
    detail = "No drill with ID %s exists for cluster %s."


class DrillReportNotFound(NotFound):
    """Of a drill that has not ended. Parameter: its id."""

    error_code = "DRILL_REPORT_NOT_FOUND"
    detail = "The drill with ID %s has not ended: there is no report yet."


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


class RepositoryJobInProgress(Conflict):
    """Parameter: its kind."""

    error_code = "REPOSITORY_JOB_IN_PROGRESS"
    detail = "A %s of the repository has been asked for and has not ended."


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


class DrillInProgress(Conflict):
    """Parameter: the instance's name."""

    error_code = "DRILL_IN_PROGRESS"
    detail = "A drill of cluster %s is already in progress."


class DrillNotPossible(Conflict):
    """Parameter: the instance's name."""

    error_code = "DRILL_NOT_POSSIBLE"
    detail = "Cluster %s has no completed snapshot to drill."
