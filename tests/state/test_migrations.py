"""What earlier versions wrote is there after a migration."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from telamon.model.access import Organization, Project, Role, RoleAssignment
from telamon.state import access
from telamon.state.database import Database
from tests.state.samples import GROUP, INSTANCE, JOB, NOW, ORG, SNAPSHOT

SECONDS = int(NOW.timestamp())
ROWS = f"""
INSERT INTO organization VALUES ('{ORG}', 'Org', {SECONDS}, 1);
INSERT INTO project VALUES ('{GROUP}', '{ORG}', 'Project', {SECONDS});
INSERT INTO api_key VALUES
    ('65f0000000000000000000f0', '{ORG}', 'abcdefgh', x'01', '0123', 'a key', {SECONDS});
INSERT INTO api_key_role VALUES ('65f0000000000000000000f0', 'ORG_OWNER', '');
INSERT INTO api_key_access VALUES ('65f0000000000000000000f0', '127.0.0.1/32', {SECONDS});
INSERT INTO instance (id, group_id, kind, name, state, created_at, managed, sealed_credentials,
    deployment_item_name, backing_provider_name, region_name, tags, termination_protection, attempts,
    gone, first_restore_job, last_restore_job) VALUES
    ('{INSTANCE}', '{GROUP}', 'serverless', 'orders', 'IDLE', {SECONDS}, 1, x'02', 'atlas-x', 'AWS',
    'US_EAST_1', '[]', 0, 0, 0, 1, 1);
INSERT INTO snapshot (id, instance_id, status, snapshot_type, requested_at, expires_at, documents,
    size_bytes, new_bytes, attempts) VALUES
    ('{SNAPSHOT}', '{INSTANCE}', 'queued', 'onDemand', {SECONDS}, {SECONDS}, 0, 0, 0, 0);
INSERT INTO restore_job (id, instance_id, sequence, delivery_type, snapshot_id, snapshot_taken_at,
    target_group_id, target_instance_id, target_cluster_name, target_deployment_item_name, created_at,
    expires_at, stage, cancelled, documents, documents_total, size_bytes, size_bytes_total, attempts)
    VALUES ('{JOB}', '{INSTANCE}', 1, 'automated', '{SNAPSHOT}', {SECONDS}, '{GROUP}', '{INSTANCE}',
    'orders', 'atlas-x', {SECONDS}, {SECONDS}, 'queued', 0, 0, 0, 0, 0, 0);
"""


def upgrade(path: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "telamon.state:migrations")
    db = Database.sqlite(path)
    with db.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    db.close()


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A database as the first version made it, with a row that others refer to in each table."""
    path = tmp_path / "telamon.db"
    upgrade(path, "0001")
    file = sqlite3.connect(path)
    file.executescript(ROWS)
    file.close()
    return path


def test_organizations_projects_and_keys_are_kept(first: Path) -> None:
    upgrade(first, "0003")

    db = Database.sqlite(first)
    organization = db.look(access.first_organization)
    project = db.look(lambda tx: access.find_project(tx, GROUP))
    stored = db.look(lambda tx: access.find_api_key(tx, "abcdefgh"))
    db.close()
    assert organization == Organization(
        id=ORG, name="Org", created_at=NOW, requires_access_list=True
    )
    assert project == Project(id=GROUP, org_id=ORG, name="Project", created_at=NOW)
    assert stored is not None
    assert stored.key.roles == (RoleAssignment(role=Role.ORG_OWNER),)
    assert stored.key.access_list == ("127.0.0.1/32",)


@pytest.mark.parametrize("revision", ["0002", "0003", "head"])
def test_whatever_refers_to_another_row_still_does(first: Path, revision: str) -> None:
    upgrade(first, revision)

    file = sqlite3.connect(first)
    broken = file.execute("PRAGMA foreign_key_check").fetchall()
    kept = [
        file.execute(f"SELECT count(*) FROM {table}").fetchone()
        for table in ("api_key_role", "api_key_access", "instance", "snapshot", "restore_job")
    ]
    file.close()
    assert (broken, kept) == ([], [(1,)] * 5)
