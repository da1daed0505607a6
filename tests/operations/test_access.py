"""Who may do what, and from where."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.errors import (
    AddressNotOnAccessList,
    ConfigurationError,
    GroupNotFound,
    InvalidNetwork,
    InvalidRequest,
    NotInGroup,
    OrgRequiresAccessList,
    ResourceRequiresAccessList,
    TelamonError,
    Unauthorized,
)
from telamon.ids import new_id
from telamon.model.access import (
    PROJECT_BACKUP_MANAGERS,
    PROJECT_OWNERS,
    PROJECT_READERS,
    ApiKey,
    Organization,
    Project,
    Role,
    RoleAssignment,
    digest_secret,
)
from telamon.operations.access import Access, authorize, check_address
from telamon.state.database import Database
from telamon.state.tables import api_key as key_table
from tests.databases import Maker, opened
from tests.operations.conftest import World
from tests.state.samples import FOREIGN_GROUP, GROUP, NOW, ORG, OTHER_GROUP, api_key, clock

UNKNOWN_GROUP = "65f0000000000000000000ff"
ORGANIZATION = Organization(id=ORG, name="Org", created_at=NOW, requires_access_list=True)


@pytest.fixture
def access(world: World) -> Access:
    return Access(world.db, world.sealer, clock=clock, new_id=new_id)


@pytest.fixture
def uninitialized(world: World, maker: Maker) -> Iterator[Access]:
    with opened(maker) as db:
        db.migrate()
        yield Access(db, world.sealer, clock=clock, new_id=new_id)


@pytest.mark.parametrize(
    ("networks", "address"),
    [
        (["127.0.0.1/32"], "127.0.0.1"),
        (["10.0.0.0/8"], "10.255.0.1"),
        (["192.168.1.0/24", "10.0.0.0/8"], "10.1.2.3"),
        (["0.0.0.0/0"], "203.0.113.9"),
        (["::1/128"], "::1"),
        (["2001:db8::/32"], "2001:db8:ffff::1"),
        (["127.0.0.1/32"], "::ffff:127.0.0.1"),
        (["10.0.0.0/8"], "::ffff:a01:203"),
        (["203.0.113.9"], "203.0.113.9"),
    ],
)
def test_an_address_in_a_listed_network_may_come(networks: list[str], address: str) -> None:
    caller = api_key(access_list=tuple(networks))

    check_address(caller, address, always_listed=True)


@pytest.mark.parametrize(
    ("networks", "address"),
    [
        (["127.0.0.1/32"], "127.0.0.2"),
        (["10.0.0.0/8"], "11.0.0.0"),
        (["0.0.0.0/0"], "::1"),
        (["::/0"], "127.0.0.1"),
        (["::/0"], "::ffff:127.0.0.1"),
        (["::1/128"], "::2"),
        (["0.0.0.0/0", "::/0"], ""),
        (["0.0.0.0/0", "::/0"], "localhost"),
        (["0.0.0.0/0", "::/0"], "127.0.0.1:80"),
        (["0.0.0.0/0", "::/0"], "127.0.0.1, 10.0.0.1"),
        (["0.0.0.0/0", "::/0"], "127.1"),
    ],
)
def test_any_other_address_may_not(networks: list[str], address: str) -> None:
    caller = api_key(access_list=tuple(networks), org_requires_access_list=False)

    with pytest.raises(AddressNotOnAccessList) as caught:
        check_address(caller, address, always_listed=False)

    assert caught.value.parameters == (address,)


@pytest.mark.parametrize("always_listed", [False, True])
def test_an_empty_list_lets_everybody_in_unless_the_organization_requires_one(
    always_listed: bool,
) -> None:
    caller = api_key(access_list=(), org_requires_access_list=False)

    check_address(caller, "203.0.113.9", always_listed=always_listed)


@pytest.mark.parametrize(
    ("always_listed", "kind"),
    [(False, OrgRequiresAccessList), (True, ResourceRequiresAccessList)],
)
def test_an_empty_list_lets_nobody_in_where_the_organization_requires_one(
    always_listed: bool, kind: type[TelamonError]
) -> None:
    caller = api_key(access_list=(), org_requires_access_list=True)

    with pytest.raises(TelamonError) as caught:
        check_address(caller, "127.0.0.1", always_listed=always_listed)

    assert type(caught.value) is kind


# Role, held in the organization or one project, and what it may be in the project GROUP.
OWNER, MANAGER, READER = "owner", "backup manager", "reader"
HELD = [
    (Role.ORG_OWNER, None, {OWNER, MANAGER, READER}),
    (Role.ORG_READ_ONLY, None, {READER}),
    (Role.ORG_MEMBER, None, set()),
    (Role.ORG_GROUP_CREATOR, None, set()),
    (Role.GROUP_OWNER, GROUP, {OWNER, MANAGER, READER}),
    (Role.GROUP_BACKUP_MANAGER, GROUP, {MANAGER, READER}),
    (Role.GROUP_CLUSTER_MANAGER, GROUP, {READER}),
    (Role.GROUP_READ_ONLY, GROUP, {READER}),
    (Role.GROUP_OWNER, OTHER_GROUP, set()),
    (Role.GROUP_READ_ONLY, OTHER_GROUP, set()),
]
SETS = {OWNER: PROJECT_OWNERS, MANAGER: PROJECT_BACKUP_MANAGERS, READER: PROJECT_READERS}


@pytest.mark.parametrize(("role", "group_id", "expected"), HELD)
def test_a_role_may_what_it_stands_for_and_no_more(
    world: World, role: Role, group_id: str | None, expected: set[str]
) -> None:
    caller = api_key(RoleAssignment(role=role, group_id=group_id))
    allowed = set()
    for name, roles in SETS.items():
        try:
            project = world.db.look(partial(_authorize, caller, roles))
        except Unauthorized:
            continue
        assert project.id == GROUP
        allowed.add(name)

    assert allowed == expected


def _authorize(caller: ApiKey, roles: frozenset[Role], tx: Connection) -> Project:
    return authorize(tx, caller, GROUP, roles)


def test_a_key_without_roles_may_nothing(world: World) -> None:
    caller = dataclasses.replace(api_key(), roles=())

    with pytest.raises(Unauthorized):
        world.db.look(lambda tx: authorize(tx, caller, GROUP, PROJECT_READERS))


@pytest.mark.parametrize(
    ("role", "held_in", "group_id", "kind"),
    [
        (Role.ORG_OWNER, None, UNKNOWN_GROUP, GroupNotFound),
        (Role.ORG_READ_ONLY, None, UNKNOWN_GROUP, GroupNotFound),
        (Role.ORG_MEMBER, None, UNKNOWN_GROUP, NotInGroup),
        (Role.GROUP_OWNER, GROUP, UNKNOWN_GROUP, NotInGroup),
        (Role.ORG_OWNER, None, FOREIGN_GROUP, NotInGroup),
        (Role.GROUP_OWNER, GROUP, FOREIGN_GROUP, NotInGroup),
        (Role.GROUP_OWNER, FOREIGN_GROUP, FOREIGN_GROUP, NotInGroup),
        (Role.GROUP_OWNER, GROUP, OTHER_GROUP, Unauthorized),
    ],
)
def test_a_project_that_is_not_the_callers_is_told_apart_only_by_who_sees_all(
    world: World, role: Role, held_in: str | None, group_id: str, kind: type[TelamonError]
) -> None:
    caller = api_key(RoleAssignment(role=role, group_id=held_in))

    with pytest.raises(TelamonError) as caught:
        world.db.look(lambda tx: authorize(tx, caller, group_id, PROJECT_READERS))

    assert type(caught.value) is kind


async def test_require_is_authorize_for_the_event_loop(access: Access) -> None:
    await access.require(api_key(), GROUP, PROJECT_OWNERS)

    with pytest.raises(GroupNotFound):
        await access.require(api_key(), UNKNOWN_GROUP, PROJECT_OWNERS)


async def test_the_first_key_owns_what_was_made_and_works_from_here_only(
    uninitialized: Access,
) -> None:
    made = uninitialized.initialize("My org", "My project")

    assert (made.organization.name, made.project.name) == ("My org", "My project")
    assert made.organization.requires_access_list is True
    found = await uninitialized.find_key(made.api_key.key.public_key)
    assert found is not None
    assert found.key == made.api_key.key
    assert found.key.roles == (RoleAssignment(role=Role.ORG_OWNER),)
    assert found.key.access_list == ("127.0.0.1/32", "::1/128")
    assert found.ha1 == digest_secret(found.key.public_key, made.api_key.private_key)
    await uninitialized.require(found.key, made.project.id, PROJECT_OWNERS)


def test_initializing_twice_changes_nothing(world: World, access: Access) -> None:
    def count(tx: Connection) -> list[int]:
        tables = ("organization", "project", "api_key")
        return [
            tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in tables
        ]

    before = world.db.look(count)

    with pytest.raises(ConfigurationError) as caught:
        access.initialize("Org", "Project")

    assert caught.value.message == (
        "This data directory has been initialized before; its key was shown then."
    )
    assert world.db.look(count) == before == [2, 3, 0]


def test_neither_the_private_key_nor_what_signs_for_it_is_in_the_files(
    world: World, tmp_path: Path
) -> None:
    db = Database.sqlite(tmp_path / "empty.db")
    db.migrate()
    access = Access(db, world.sealer, clock=clock, new_id=new_id)
    made = access.initialize("My org", "My project").api_key
    ha1 = digest_secret(made.key.public_key, made.private_key)

    content = b"".join(path.read_bytes() for path in tmp_path.glob("empty.db*"))
    db.close()

    assert made.key.public_key.encode() in content
    for secret in (made.private_key, made.private_key.replace("-", ""), ha1):
        assert secret.encode() not in content
        assert bytes.fromhex(secret.replace("-", "")) not in content


def test_no_secret_is_in_a_repr(uninitialized: Access) -> None:
    made = uninitialized.initialize("My org", "My project")

    assert made.api_key.private_key not in repr(made)


async def test_a_created_key_holds_what_it_was_given(world: World, access: Access) -> None:
    made = access.create_key(
        ORGANIZATION,
        description="mine",
        roles=[RoleAssignment(role=Role.GROUP_READ_ONLY, group_id=GROUP)],
        access_list=["10.0.0.0/8", "::/0"],
    )

    found = await access.find_key(made.key.public_key)

    assert found is not None
    assert found.key == made.key
    assert made.key.access_list == ("10.0.0.0/8", "::/0")


def create(access: Access, role: Role, group_id: str | None, *networks: str) -> ApiKey:
    held = RoleAssignment(role=role, group_id=group_id)
    return access.create_key(ORGANIZATION, description="", roles=[held], access_list=networks).key


def test_addresses_become_networks(access: Access) -> None:
    made = create(access, Role.ORG_OWNER, None, "10.1.2.3", "10.9.9.9/8", "::1", "::ffff:1.2.3.4")

    assert made.access_list == ("1.2.3.4/32", "10.0.0.0/8", "10.1.2.3/32", "::1/128")


@pytest.mark.parametrize("text", ["", "localhost", "10.0.0.0/33", "10.0.0.1-10.0.0.9"])
def test_what_is_no_address_is_refused(access: Access, text: str) -> None:
    with pytest.raises(InvalidNetwork) as caught:
        create(access, Role.ORG_OWNER, None, text)

    assert caught.value.parameters == (text,)


@pytest.mark.parametrize(
    ("role", "group_id", "kind"),
    [
        (Role.GROUP_OWNER, None, InvalidRequest),
        (Role.ORG_OWNER, GROUP, InvalidRequest),
        (Role.GROUP_OWNER, UNKNOWN_GROUP, GroupNotFound),
        (Role.GROUP_OWNER, FOREIGN_GROUP, GroupNotFound),
    ],
)
def test_a_role_is_held_where_its_name_says(
    access: Access, role: Role, group_id: str | None, kind: type[TelamonError]
) -> None:
    with pytest.raises(kind):
        create(access, role, group_id, "::1")


async def test_a_key_that_was_moved_to_another_row_does_not_open(
    world: World, access: Access
) -> None:
    """Whoever can write the database cannot lend a key the secret of another."""
    first, second = (
        access.create_key(ORGANIZATION, description="", roles=[], access_list=[]) for _ in range(2)
    )
    others = sa.select(key_table.c.sealed_ha1).where(key_table.c.id == first.key.id)
    world.db.transact(
        lambda tx: tx.execute(
            key_table.update()
            .where(key_table.c.id == second.key.id)
            .values(sealed_ha1=others.scalar_subquery())
        )
    )

    with pytest.raises(TelamonError, match="cannot be opened"):
        await access.find_key(second.key.public_key)


async def test_an_unknown_key_is_none(access: Access) -> None:
    assert await access.find_key("nobody") is None


async def test_a_nonce_is_used_once(access: Access) -> None:
    answers = [await access.use_nonce("n", count, life_seconds=300) for count in (1, 1, 2)]

    assert answers == [True, False, True]
