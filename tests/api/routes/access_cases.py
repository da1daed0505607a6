"""Who may do what to organizations, projects, keys, lists and service accounts."""

from dataclasses import dataclass, field

from telamon.model.access import Role, RoleAssignment
from tests.api.routes.world import GROUP, ORG, OTHER_GROUP

HELD = {
    **{
        role.value: (RoleAssignment(role=role, group_id=GROUP if role.is_of_project else None),)
        for role in Role
    },
    "GROUP_OWNER of another": (RoleAssignment(role=Role.GROUP_OWNER, group_id=OTHER_GROUP),),
    "no role": (),
}
EVERYBODY = set(HELD)
ORG_OWNERS = {"ORG_OWNER"}
ORG_READERS = {*ORG_OWNERS, "ORG_READ_ONLY"}
ORG_MEMBERS = {name for name in HELD if name.startswith("ORG_")}
OWNERS = {*ORG_OWNERS, "GROUP_OWNER"}
BACKUP_MANAGERS = {*OWNERS, "GROUP_BACKUP_MANAGER"}
READERS = {*ORG_READERS, *(role.value for role in Role if role.is_of_project)}


@dataclass(frozen=True)
class Case:
    """Who may do it, a body, and the status of the answer to who may.

    ``codes`` are those that others get: all of them 401.
    """

    allowed: set[str]
    status: int = 200
    status_v1: int | None = None
    body: object = None
    codes: set[str] = field(default_factory=lambda: {"USER_UNAUTHORIZED"})


ADDRESS = [{"ipAddress": "198.51.100.7"}]
ACCOUNT = {"name": "robot", "description": "of a test", "secretExpiresAfterHours": 8}
ORG_ACCOUNT = {**ACCOUNT, "roles": ["ORG_READ_ONLY"]}
GROUP_ACCOUNT = {**ACCOUNT, "roles": ["GROUP_READ_ONLY"]}
ORG_KEY = {"desc": "made", "roles": ["ORG_READ_ONLY"]}
GROUP_KEY = {"desc": "made", "roles": ["GROUP_READ_ONLY"]}
LIST_CODES = {"USER_UNAUTHORIZED", "API_KEY_ACCESS_LIST_ACCESS_DENIED"}

KEY_LISTS = {
    "listApiKeyAccessListsEntries": Case(ORG_MEMBERS),
    "createApiKeyAccessList": Case(ORG_OWNERS, body=ADDRESS, codes=LIST_CODES),
    "getApiKeyAccessList": Case(ORG_MEMBERS),
    "deleteApiKeyAccessListEntry": Case(ORG_OWNERS, 204, codes=LIST_CODES),
}
PROJECT_LISTS = {
    "listProjectIpAccessLists": Case(READERS),
    "createProjectIpAccessList": Case(OWNERS, 201, body=ADDRESS),
    "getProjectIpList": Case(READERS),
    "getProjectIpAccessListStatus": Case(READERS),
    "deleteProjectIpAccessList": Case(OWNERS, 204),
}

ACCESS_CASES = {
    "getSystemStatus": Case(EVERYBODY),
    "getIpInfo": Case(EVERYBODY),
    "listCloudProviderRegions": Case(READERS),
    "listRateLimits": Case(EVERYBODY),
    "getRateLimit": Case(EVERYBODY, 404),  # while limits are off there is none
    "listOrganizations": Case(EVERYBODY),
    "createOrganization": Case(ORG_OWNERS, 201, body={"name": "second", "apiKey": ORG_KEY}),
    "getOrganization": Case(ORG_MEMBERS),
    "updateOrganization": Case(ORG_OWNERS, body={"name": "renamed"}),
    "deleteOrganization": Case(ORG_OWNERS, 409),  # it has projects
    "getOrganizationSettings": Case(ORG_MEMBERS),
    "updateOrganizationSettings": Case(ORG_OWNERS, body={"multiFactorAuthRequired": True}),
    "listOrganizationProjects": Case(ORG_MEMBERS),
    "listProjects": Case(EVERYBODY),
    "createProject": Case(
        {*ORG_OWNERS, "ORG_GROUP_CREATOR"},
        201,
        body={"name": "fresh", "orgId": ORG},
        codes={"NOT_ORG_GROUP_CREATOR"},
    ),
    "getProject": Case(READERS),
    "getProjectByName": Case(READERS, codes={"NOT_IN_GROUP"}),
    "updateProject": Case(OWNERS, body={"name": "renamed"}),
    "deleteProject": Case(OWNERS, 409),  # it has an instance
    "listApiKeys": Case(ORG_MEMBERS),
    "createApiKey": Case(ORG_OWNERS, body=ORG_KEY),
    "getApiKey": Case(ORG_MEMBERS),
    "updateApiKey": Case(ORG_OWNERS, body={"desc": "changed"}),
    "deleteApiKey": Case(ORG_OWNERS, 204),
    "listProjectApiKeys": Case(READERS),
    "createProjectApiKey": Case(OWNERS, body=GROUP_KEY),
    "addProjectApiKey": Case(OWNERS, 204, body=[{"roles": ["GROUP_BACKUP_MANAGER"]}]),
    "updateApiKeyRoles": Case(OWNERS, body={"roles": ["GROUP_BACKUP_MANAGER"]}),
    "removeProjectApiKey": Case(OWNERS, 204),
    **KEY_LISTS,
    **{f"old_{name}": case for name, case in KEY_LISTS.items()},
    **PROJECT_LISTS,
    **{f"old_{name}": case for name, case in PROJECT_LISTS.items()},
    "listServiceAccounts": Case(ORG_READERS),
    "createServiceAccount": Case(ORG_OWNERS, 201, body=ORG_ACCOUNT),
    "getServiceAccount": Case(ORG_READERS),
    "updateServiceAccount": Case(ORG_OWNERS, body={"name": "renamed"}),
    "deleteServiceAccount": Case(ORG_OWNERS, 204),
    "listServiceAccountProjects": Case(ORG_READERS),
    "createServiceAccountSecret": Case(ORG_OWNERS, 201, body={"secretExpiresAfterHours": 8}),
    "deleteServiceAccountSecret": Case(ORG_OWNERS, 204),
    "listServiceAccountAccessList": Case(ORG_READERS),
    "createServiceAccountAccessList": Case(ORG_OWNERS, body=ADDRESS),
    "deleteServiceAccountAccessListEntry": Case(ORG_OWNERS, 204),
    "listProjectServiceAccounts": Case(READERS),
    "createProjectServiceAccount": Case(OWNERS, 201, body=GROUP_ACCOUNT),
    "getProjectServiceAccount": Case(READERS),
    "updateProjectServiceAccount": Case(OWNERS, body={"name": "renamed"}),
    "deleteProjectServiceAccount": Case(OWNERS, 204),
    "addProjectServiceAccount": Case(ORG_OWNERS, body={"roles": ["GROUP_BACKUP_MANAGER"]}),
    "createProjectServiceAccountSecret": Case(OWNERS, 201, body={"secretExpiresAfterHours": 8}),
    "deleteProjectServiceAccountSecret": Case(OWNERS, 204),
    "listProjectServiceAccountAccessList": Case(READERS),
    "createProjectServiceAccountAccessList": Case(OWNERS, body=ADDRESS),
    "deleteProjectServiceAccountAccessListEntry": Case(OWNERS, 204),
}
