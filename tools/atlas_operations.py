"""Atlas's operations around backup: what docs/api-coverage.md measures the server against.

Each is section, method, path below the base path, and operation id as Atlas had it in June 2025. An
id with ``old_`` before it is Telamon's own, for what v1.0 has under another path too; so are those of
paths that Atlas does not document, and of what it has added since.
"""

from dataclasses import dataclass
from typing import NamedTuple


class Operation(NamedTuple):
    section: str
    method: str
    path: str
    operation_id: str


@dataclass(frozen=True)
class _Section:
    title: str
    prefix: str
    lines: str


_SECTIONS = (
    _Section(
        "Serverless instances and their backup",
        "/groups/{groupId}/serverless",
        """
        GET    -                                             listServerlessInstances
        POST   -                                             createServerlessInstance
        GET    /{name}                                       getServerlessInstance
        PATCH  /{name}                                       updateServerlessInstance
        DELETE /{name}                                       deleteServerlessInstance
        GET    /{clusterName}/backup/snapshots               listServerlessBackups
        GET    /{clusterName}/backup/snapshots/{snapshotId}  getServerlessBackup
        GET    /{clusterName}/backup/restoreJobs             listServerlessBackupRestoreJobs
        POST   /{clusterName}/backup/restoreJobs             createServerlessBackupRestoreJob
        GET    /{clusterName}/backup/restoreJobs/{restoreJobId}  getServerlessBackupRestoreJob
        """,
    ),
    _Section(
        "Flex clusters and their backup",
        "/groups/{groupId}/flexClusters",
        """
        GET    -                                      listFlexClusters
        POST   -                                      createFlexCluster
        GET    /{name}                                getFlexCluster
        PATCH  /{name}                                updateFlexCluster
        DELETE /{name}                                deleteFlexCluster
        GET    /{name}/backup/snapshots               listFlexBackups
        GET    /{name}/backup/snapshots/{snapshotId}  getFlexBackup
        GET    /{name}/backup/restoreJobs             listFlexBackupRestoreJobs
        POST   /{name}/backup/restoreJobs             createFlexBackupRestoreJob
        GET    /{name}/backup/restoreJobs/{restoreJobId}  getFlexBackupRestoreJob
        POST   /{name}/backup/download                downloadFlexBackup
        POST   :tenantUpgrade                         upgradeFlexCluster
        """,
    ),
    _Section(
        "Dedicated clusters",
        "/groups/{groupId}/clusters",
        """
        GET    -               listClusters
        GET    /{clusterName}  getCluster
        DELETE /{clusterName}  deleteCluster
        GET    /provider/regions  listCloudProviderRegions
        """,
    ),
    _Section(
        "Backup of dedicated clusters",
        "/groups/{groupId}/clusters/{clusterName}/backup",
        """
        GET    /restoreJobs                 listBackupRestoreJobs
        POST   /restoreJobs                 createBackupRestoreJob
        GET    /restoreJobs/{restoreJobId}  getBackupRestoreJob
        DELETE /restoreJobs/{restoreJobId}  cancelBackupRestoreJob
        GET    /schedule                    getBackupSchedule
        PATCH  /schedule                    updateBackupSchedule
        DELETE /schedule                    deleteAllBackupSchedules
        GET    /snapshots                   listReplicaSetBackups
        POST   /snapshots                   takeSnapshot
        GET    /snapshots/{snapshotId}      getReplicaSetBackup
        PATCH  /snapshots/{snapshotId}      updateSnapshotRetention
        DELETE /snapshots/{snapshotId}      deleteReplicaSetBackup
        GET    /snapshots/shardedClusters              listShardedClusterBackups
        GET    /snapshots/shardedCluster/{snapshotId}  getShardedClusterBackup
        DELETE /snapshots/shardedCluster/{snapshotId}  deleteShardedClusterBackup
        GET    /snapshots/{snapshotId}/databases       listBackupSnapshotDatabases
        GET    /snapshots/{snapshotId}/databases/{databaseName}  getBackupSnapshotDatabase
        GET    /snapshots/{snapshotId}/databases/{databaseName}/collections  listSnapshotDatabaseCollections
        GET    /snapshots/{snapshotId}/databases/{databaseName}/collections/{collectionName}  getSnapshotDatabaseCollection
        """,
    ),
    _Section(
        "Restores of single collections",
        "/groups/{groupId}/clusters/{clusterName}/collectionRestoreJobs",
        """
        GET    -                listCollectionRestoreJobs
        POST   -                createCollectionRestoreJob
        GET    /{restoreJobId}  getCollectionRestoreJob
        GET    /{restoreJobId}/collections                    listRestoreJobCollections
        GET    /{restoreJobId}/collections/{sourceNamespace}  getRestoreJobCollection
        """,
    ),
    _Section(
        "Backup of M2 and M5 clusters, which Atlas has taken away",
        "/groups/{groupId}/clusters/{clusterName}/backup/tenant",
        """
        POST   /download                downloadSharedClusterBackup
        POST   /restore                 createSharedClusterBackupRestoreJob
        GET    /restores                listSharedClusterBackupRestoreJobs
        GET    /restores/{restoreId}    getSharedClusterBackupRestoreJob
        GET    /snapshots               listSharedClusterBackups
        GET    /snapshots/{snapshotId}  getSharedClusterBackup
        """,
    ),
    _Section(
        "Root, organizations and their settings",
        "",
        """
        GET    -                       getSystemStatus
        GET    /orgs                   listOrganizations
        POST   /orgs                   createOrganization
        GET    /orgs/{orgId}           getOrganization
        PATCH  /orgs/{orgId}           updateOrganization
        DELETE /orgs/{orgId}           deleteOrganization
        GET    /orgs/{orgId}/settings  getOrganizationSettings
        PATCH  /orgs/{orgId}/settings  updateOrganizationSettings
        GET    /orgs/{orgId}/groups    listOrganizationProjects
        """,
    ),
    _Section(
        "Projects and their access lists",
        "/groups",
        """
        GET    -                                         listProjects
        POST   -                                         createProject
        GET    /byName/{groupName}                       getProjectByName
        GET    /{groupId}                                getProject
        PATCH  /{groupId}                                updateProject
        DELETE /{groupId}                                deleteProject
        GET    /{groupId}/accessList                     listProjectIpAccessLists
        POST   /{groupId}/accessList                     createProjectIpAccessList
        GET    /{groupId}/accessList/{entryValue}        getProjectIpList
        DELETE /{groupId}/accessList/{entryValue}        deleteProjectIpAccessList
        GET    /{groupId}/accessList/{entryValue}/status getProjectIpAccessListStatus
        GET    /{groupId}/whitelist                      old_listProjectIpAccessLists
        POST   /{groupId}/whitelist                      old_createProjectIpAccessList
        GET    /{groupId}/whitelist/{entryValue}         old_getProjectIpList
        DELETE /{groupId}/whitelist/{entryValue}         old_deleteProjectIpAccessList
        GET    /{groupId}/whitelist/{entryValue}/status  old_getProjectIpAccessListStatus
        """,
    ),
    _Section(
        "API keys",
        "",
        """
        GET    /orgs/{orgId}/apiKeys                      listApiKeys
        POST   /orgs/{orgId}/apiKeys                      createApiKey
        GET    /orgs/{orgId}/apiKeys/{apiUserId}          getApiKey
        PATCH  /orgs/{orgId}/apiKeys/{apiUserId}          updateApiKey
        DELETE /orgs/{orgId}/apiKeys/{apiUserId}          deleteApiKey
        GET    /groups/{groupId}/apiKeys                  listProjectApiKeys
        POST   /groups/{groupId}/apiKeys                  createProjectApiKey
        POST   /groups/{groupId}/apiKeys/{apiUserId}      addProjectApiKey
        PATCH  /groups/{groupId}/apiKeys/{apiUserId}      updateApiKeyRoles
        DELETE /groups/{groupId}/apiKeys/{apiUserId}      removeProjectApiKey
        GET    /orgs/{orgId}/apiKeys/{apiUserId}/accessList              listApiKeyAccessListsEntries
        POST   /orgs/{orgId}/apiKeys/{apiUserId}/accessList              createApiKeyAccessList
        GET    /orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}  getApiKeyAccessList
        DELETE /orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}  deleteApiKeyAccessListEntry
        GET    /orgs/{orgId}/apiKeys/{apiUserId}/whitelist               old_listApiKeyAccessListsEntries
        POST   /orgs/{orgId}/apiKeys/{apiUserId}/whitelist               old_createApiKeyAccessList
        GET    /orgs/{orgId}/apiKeys/{apiUserId}/whitelist/{ipAddress}   old_getApiKeyAccessList
        DELETE /orgs/{orgId}/apiKeys/{apiUserId}/whitelist/{ipAddress}   old_deleteApiKeyAccessListEntry
        """,
    ),
    _Section(
        "Service accounts of organizations",
        "/orgs/{orgId}/serviceAccounts",
        """
        GET    -                                   listServiceAccounts
        POST   -                                   createServiceAccount
        GET    /{clientId}                         getServiceAccount
        PATCH  /{clientId}                         updateServiceAccount
        DELETE /{clientId}                         deleteServiceAccount
        GET    /{clientId}/accessList              listServiceAccountAccessList
        POST   /{clientId}/accessList              createServiceAccountAccessList
        DELETE /{clientId}/accessList/{ipAddress}  deleteServiceAccountAccessListEntry
        GET    /{clientId}/groups                  listServiceAccountProjects
        POST   /{clientId}/secrets                 createServiceAccountSecret
        DELETE /{clientId}/secrets/{secretId}      deleteServiceAccountSecret
        """,
    ),
    _Section(
        "Service accounts of projects",
        "/groups/{groupId}/serviceAccounts",
        """
        GET    -                                   listProjectServiceAccounts
        POST   -                                   createProjectServiceAccount
        GET    /{clientId}                         getProjectServiceAccount
        PATCH  /{clientId}                         updateProjectServiceAccount
        DELETE /{clientId}                         deleteProjectServiceAccount
        GET    /{clientId}/accessList              listProjectServiceAccountAccessList
        POST   /{clientId}/accessList              createProjectServiceAccountAccessList
        DELETE /{clientId}/accessList/{ipAddress}  deleteProjectServiceAccountAccessListEntry
        POST   /{clientId}/secrets                 createProjectServiceAccountSecret
        DELETE /{clientId}/secrets/{secretId}      deleteProjectServiceAccountSecret
        POST   /{clientId}:invite                  addProjectServiceAccount
        """,
    ),
    _Section(
        "Rate limits",
        "/rateLimits",
        """
        GET    -                 listRateLimits
        GET    /{endpointSetId}  getRateLimit
        """,
    ),
    _Section(
        "Outside of both versions",
        "",
        """
        POST   /api/oauth/token     createOauthToken
        POST   /api/oauth/revoke    revokeOauthToken
        GET    /api/private/ipinfo  getIpInfo
        """,
    ),
)

PARTLY = {
    "updateBackupSchedule": "no exports, no copies in other regions",
    "listCollectionRestoreJobs": "`indexStatus` is missing",
    "createCollectionRestoreJob": "as above",
    "getCollectionRestoreJob": "as above",
    "listRestoreJobCollections": "`indexStatus` is missing; `restoredDocuments` is 0 until all "
    "are there",
    "getRestoreJobCollection": "as above",
    "createOrganization": "`apiKey` is required: there are no users who could own the organization; "
    "no federation",
    "getOrganizationSettings": "settings other than the required access list and the life of secrets "
    "are kept and have no effect",
    "updateOrganizationSettings": "as above",
    "createProjectIpAccessList": "entries are kept and open nothing: Telamon runs no firewall",
    "old_createProjectIpAccessList": "as above",
    "listApiKeyAccessListsEntries": "`count` is 0, `lastUsed` and `lastUsedAddress` are missing",
    "listServiceAccountAccessList": "`requestCount`, `lastUsedAt` and `lastUsedAddress` are missing",
    "listProjectServiceAccountAccessList": "as above",
    "listCloudProviderRegions": "a fixed list of names",
}
"""What of an operation that is served is missing."""


def _operations() -> tuple[Operation, ...]:
    found = []
    for section in _SECTIONS:
        for line in section.lines.strip().splitlines():
            method, path, operation_id = line.split()
            whole = section.prefix if path == "-" else f"{section.prefix}{path}"
            found.append(Operation(section.title, method, whole, operation_id))
    return tuple(found)


OPERATIONS = _operations()
