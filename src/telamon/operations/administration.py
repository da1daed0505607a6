"""Everything about who may do what, in one piece."""

from dataclasses import dataclass

from telamon.clock import Clock
from telamon.ids import IdFactory
from telamon.operations.access import Access
from telamon.operations.access_lists import AccessLists
from telamon.operations.account_access import AccountAccess
from telamon.operations.api_keys import ApiKeys
from telamon.operations.network_permissions import NetworkPermissions
from telamon.operations.organizations import Organizations
from telamon.operations.projects import Projects
from telamon.operations.service_accounts import ServiceAccounts
from telamon.operations.tokens import Tokens
from telamon.state.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    organizations: Organizations
    projects: Projects
    api_keys: ApiKeys
    access_lists: AccessLists
    network_permissions: NetworkPermissions
    service_accounts: ServiceAccounts
    account_access: AccountAccess
    tokens: Tokens


def administration(
    db: Database, access: Access, *, clock: Clock, new_id: IdFactory
) -> Administration:
    """All of it over one database."""
    return Administration(
        organizations=Organizations(db, access, clock=clock, new_id=new_id),
        projects=Projects(db, clock=clock, new_id=new_id),
        api_keys=ApiKeys(db, access),
        access_lists=AccessLists(db, clock=clock),
        network_permissions=NetworkPermissions(db, clock=clock),
        service_accounts=ServiceAccounts(db, clock=clock, new_id=new_id),
        account_access=AccountAccess(db, clock=clock, new_id=new_id),
        tokens=Tokens(db, clock=clock),
    )
