"""Where Atlas's description contradicts what Atlas was recorded to answer, or the contract."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_NAME = r"^[\w\-.(),:&@+' ]{1,64}$"
_HOURS = {"type": "integer", "minimum": 8, "maximum": 8760}
_REFUSAL = {"$ref": "#/components/responses/badRequest"}
_METHODS = ("get", "post", "patch", "delete")


@dataclass(frozen=True)
class Amendment:
    """``at`` is a path below the schemas, or an operation and the status that it describes.

    ``to`` is what stands there instead; None is nothing.
    """

    at: str
    to: Any
    why: str


AMENDMENTS = (
    Amendment("ApiError/properties/parameters/items", {}, "recorded: texts and numbers"),
    Amendment("ApiBSONTimestampView/properties", {}, "recorded: three nulls"),
    Amendment("AtlasOrganization/properties/name/pattern", _NAME, "recorded: names with spaces"),
    Amendment("DiskBackupReplicaSet/properties/frequencyType/enum", None, "recorded: ondemand"),
    Amendment("DiskBackupSnapshot/properties/frequencyType/enum", None, "recorded: ondemand"),
    Amendment(
        "GroupServiceAccountRequest/properties/secretExpiresAfterHours",
        _HOURS,
        "text: at least 8, at most what the organization allows",
    ),
    Amendment("OrgServiceAccountRequest/properties/secretExpiresAfterHours", _HOURS, "as above"),
    Amendment("ServiceAccountSecretRequest/properties/secretExpiresAfterHours", _HOURS, "as above"),
    Amendment("Group/properties/name/pattern", _NAME, "recorded: names with spaces"),
    Amendment("Group/properties/withDefaultAlertsSettings/writeOnly", None, "recorded in answers"),
    Amendment("UserAccessListResponse/properties/count/minimum", None, "recorded: 0"),
    Amendment("createProject 200", 201, "recorded"),
    Amendment("createProjectIpAccessList 200", 201, "recorded"),
    Amendment("deleteProject 204", 202, "recorded"),
)


def amended(document: Mapping[str, Any]) -> dict[str, Any]:
    """Every operation may be refused with every status: the description leaves out most of them."""
    made = copy.deepcopy(dict(document))
    operations = dict(_operations(made))
    in_oauths_shape = operations["createOauthToken"]["responses"]["401"]
    for operation_id, operation in operations.items():
        is_oauth = operation_id.endswith("OauthToken")
        operation["responses"]["default"] = in_oauths_shape if is_oauth else _REFUSAL
    for each in AMENDMENTS:
        if " " in each.at:
            operation_id, status = each.at.split()
            responses = operations[operation_id]["responses"]
            responses[str(each.to)] = responses.pop(status)
            continue
        *parents, last = each.at.split("/")
        place = made["components"]["schemas"]
        for name in parents:
            place = place[name]
        if each.to is None:
            del place[last]
        else:
            place[last] = each.to
    return made


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for methods in document["paths"].values():
        for method, operation in methods.items():
            if method in _METHODS:
                yield operation["operationId"], operation
