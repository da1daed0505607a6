"""The root of the API, and two paths that clients ask for what is around it."""

import hashlib
import ipaddress

from msgspec import field

from telamon import __version__
from telamon.api.api_keys import RoleView, role_views
from telamon.api.call import Answer, Call, Link, Reply, Route, Surface, Wire, related
from telamon.api.regions import INSTANCE_SIZES, REGIONS
from telamon.model.access import PROJECT_READERS, ApiKey, ServiceAccount
from telamon.model.network import first_address, only_address, shown

# A version has no commit that anybody outside could look up; what there is of one has this shape.
_BUILD = hashlib.sha1(f"telamon {__version__}".encode(), usedforsecurity=False).hexdigest()


class ListedAddress(Wire, kw_only=True, frozen=True):
    cidr_block: str
    ip_address: str | None


class CallingKey(Wire, kw_only=True, frozen=True):
    access_list: list[ListedAddress]
    id: str
    public_key: str
    roles: list[RoleView]


class SystemStatus(Wire, kw_only=True, frozen=True):
    """``apiKey`` is null to a service account, which is none."""

    api_key: CallingKey | None
    app_name: str
    build: str
    links: list[Link]
    throttling: bool


class CallersAddress(Wire, kw_only=True, frozen=True):
    current_ipv4_address: str = field(name="currentIpv4Address")


class Region(Wire, kw_only=True, frozen=True):
    default: bool
    name: str


class InstanceSize(Wire, kw_only=True, frozen=True):
    available_regions: list[Region]
    name: str


class ProviderRegions(Wire, kw_only=True, frozen=True):
    instance_sizes: list[InstanceSize]
    provider: str


async def get_root(call: Call) -> Reply:
    """Who the caller is."""
    caller = call.caller
    status = SystemStatus(
        api_key=None if isinstance(caller, ServiceAccount) else _key(call, caller),
        app_name="MongoDB Atlas",
        build=_BUILD,
        links=[
            Link(href=call.base_url, rel="self"),
            Link(href=f"{call.base_url}/orgs/{caller.org_id}/apiKeys", rel=related("apiKeys")),
        ],
        throttling=call.limits.is_on,
    )
    return Reply(body=status)


async def get_callers_address(call: Call) -> Reply:
    """As an access list would see it."""
    return Reply(body=CallersAddress(current_ipv4_address=_as_ipv4(call.address)))


async def list_provider_regions(call: Call) -> Reply:
    """Where Atlas would run clusters; here a region is a label that an instance bears."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_READERS)
    providers = set(filter(None, call.values("providers")))
    tiers = set(filter(None, call.values("tier")))
    results = [
        ProviderRegions(
            instance_sizes=[
                InstanceSize(
                    available_regions=[
                        Region(default=number == 0, name=name)
                        for number, name in enumerate(regions)
                    ],
                    name=size,
                )
                for size in INSTANCE_SIZES
                if size in (tiers or INSTANCE_SIZES)
            ],
            provider=provider,
        )
        for provider, regions in REGIONS.items()
        if provider in (providers or REGIONS)
    ]
    page = results[call.page.offset : call.page.offset + call.page.items_per_page]
    return call.listed(page, len(results))


def _key(call: Call, caller: ApiKey) -> CallingKey:
    return CallingKey(
        access_list=[_listed(call, cidr_block) for cidr_block in caller.access_list],
        id=caller.id,
        public_key=caller.public_key,
        roles=role_views(caller.org_id, caller.roles),
    )


def _listed(call: Call, cidr_block: str) -> ListedAddress:
    """A network of several addresses has none on v1.0; v2's schema asks for one."""
    address = only_address(cidr_block)
    if address is None and call.surface is Surface.V2:
        address = first_address(cidr_block)
    return ListedAddress(cidr_block=shown(cidr_block), ip_address=address)


def _as_ipv4(address: str) -> str:
    try:
        place = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = place.ipv4_mapped if isinstance(place, ipaddress.IPv6Address) else None
    return str(mapped or place)


ROUTES = (
    Route(
        operation_id="getSystemStatus",
        method="GET",
        path="",
        handler=get_root,
        answer=Answer(SystemStatus),
    ),
    Route(
        operation_id="getIpInfo",
        method="GET",
        path="/ipinfo",
        handler=get_callers_address,
        answer=Answer(CallersAddress),
        surfaces=(Surface.PRIVATE,),
    ),
    Route(
        operation_id="listCloudProviderRegions",
        method="GET",
        path="/groups/{groupId}/clusters/provider/regions",
        handler=list_provider_regions,
        answer=Answer(ProviderRegions, is_list=True),
        query=("providers", "tier"),
    ),
)
