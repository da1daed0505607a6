"""Rows of organizations, projects, API keys and digest uses."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from telamon.model.access import ApiKey, Organization, Role, RoleAssignment
from telamon.state import access
from telamon.state.database import Database
from telamon.state.tables import digest_use
from tests.databases import Maker, opened
from tests.places import Place
from tests.state.samples import GROUP, NOW, ORG, api_key

EXPIRY = NOW + timedelta(minutes=5)


def insert(db: Database, key: ApiKey) -> None:
    db.transact(
        lambda tx: access.insert_api_key(tx, key, sealed_ha1=b"sealed", private_key_tail="0123")
    )


def use(db: Database, nonce: str, count: int, *, after_seconds: int = 0) -> bool:
    now = NOW + timedelta(seconds=after_seconds)
    return db.transact(
        lambda tx: access.record_digest_use(
            tx, nonce, count, now=now, expires_at=now + timedelta(minutes=5)
        )
    )


def test_a_key_is_found_with_its_roles_and_networks(db: Database) -> None:
    key = api_key(
        RoleAssignment(role=Role.GROUP_OWNER, group_id=GROUP),
        RoleAssignment(role=Role.ORG_MEMBER),
        access_list=("10.0.0.0/8", "::1/128"),
    )
    insert(db, key)

    found = db.look(lambda tx: access.find_api_key(tx, "abcdefgh"))

    assert found == access.StoredKey(key=key, sealed_ha1=b"sealed")


def test_a_key_without_networks_has_an_empty_list(db: Database) -> None:
    insert(db, api_key(access_list=()))

    found = db.look(lambda tx: access.find_api_key(tx, "abcdefgh"))

    assert found is not None
    assert found.key.access_list == ()


def test_an_unknown_key_is_none(db: Database) -> None:
    assert db.look(lambda tx: access.find_api_key(tx, "nobody")) is None


def test_public_keys_are_unique(db: Database) -> None:
    insert(db, api_key())

    with pytest.raises(IntegrityError):
        insert(db, api_key(id="65f0000000000000000000f1"))


def test_the_sealed_secret_is_in_no_repr() -> None:
    assert "sealed" not in repr(access.StoredKey(key=api_key(), sealed_ha1=b"sealed"))


def test_a_project_is_found_by_its_id(db: Database) -> None:
    found = db.look(lambda tx: access.find_project(tx, GROUP))

    assert found is not None
    assert (found.id, found.org_id, found.created_at) == (GROUP, ORG, NOW)
    assert db.look(lambda tx: access.find_project(tx, "65f0000000000000000000ff")) is None


def test_the_first_organization_is_the_oldest(db: Database, maker: Maker) -> None:
    with opened(maker) as empty:
        empty.migrate()

        assert empty.look(access.first_organization) is None
    assert db.look(access.first_organization) == Organization(
        id=ORG, name="Org", created_at=NOW, requires_access_list=True
    )


def test_a_nonce_and_count_are_used_once(db: Database) -> None:
    assert [use(db, "n", 1), use(db, "n", 1), use(db, "n", 2), use(db, "m", 1)] == [
        True,
        False,
        True,
        True,
    ]


def test_a_use_in_one_process_is_known_to_every_other(db: Database, place: Place) -> None:
    other = place.open()

    answers = [use(db, "n", 1), use(other, "n", 1), use(other, "n", 2), use(db, "n", 2)]
    other.close()

    assert answers == [True, False, True, False]


def test_a_use_counts_until_its_last_second(db: Database) -> None:
    assert use(db, "n", 1) is True

    assert use(db, "n", 1, after_seconds=300) is False


def test_expired_uses_are_swept(db: Database) -> None:
    use(db, "old", 1)
    use(db, "new", 1, after_seconds=301)

    def nonces(tx: Connection) -> list[str]:
        return list(tx.execute(sa.select(digest_use.c.nonce)).scalars())

    assert db.look(nonces) == ["new"]


def test_a_refused_use_leaves_its_transaction_usable(db: Database) -> None:
    def work(tx: Connection) -> tuple[bool, bool, bool]:
        first, second, third = (
            access.record_digest_use(tx, nonce, 1, now=NOW, expires_at=EXPIRY)
            for nonce in ("n", "n", "m")
        )
        return first, second, third

    assert db.transact(work) == (True, False, True)
