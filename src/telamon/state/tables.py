"""The schema. Moments are whole epoch seconds, booleans and enums what SQL makes of them.

A change here comes with a migration in ``migrations/versions``; a test compares the two.
"""

import sqlalchemy as sa

from telamon.state.columns import ID as _ID
from telamon.state.columns import TEXT as _TEXT
from telamon.state.columns import metadata, of_collection
from telamon.state.columns import partial_index as _partial_index
from telamon.state.restore_tables import download, restore_evidence

__all__ = ["download", "metadata", "restore_evidence"]  # of the same schema


def _roles_of(holder: str) -> sa.Table:
    return sa.Table(
        f"{holder}_role",
        metadata,
        sa.Column(f"{holder}_id", _ID, sa.ForeignKey(f"{holder}.id"), primary_key=True),
        sa.Column("role", _TEXT, primary_key=True),
        sa.Column("group_id", _TEXT, primary_key=True),  # empty: the whole organization
    )


def _networks_of(holder: str) -> sa.Table:
    return sa.Table(
        f"{holder}_access",
        metadata,
        sa.Column(f"{holder}_id", _ID, sa.ForeignKey(f"{holder}.id"), primary_key=True),
        sa.Column("cidr_block", _TEXT, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )


organization = sa.Table(
    "organization",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("name", _TEXT, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("requires_access_list", sa.Boolean, nullable=False),
    sa.Column("skips_default_alerts", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("settings", sa.JSON, nullable=False, server_default="{}"),  # those not by default
    sa.Column("is_closed", sa.Boolean, nullable=False, server_default=sa.false()),  # as a project
)

project = sa.Table(
    "project",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("org_id", _ID, sa.ForeignKey("organization.id"), nullable=False),
    sa.Column("name", _TEXT, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("has_default_alerts", sa.Boolean, nullable=False, server_default=sa.true()),
    # Deleted, but for what old snapshots name; its own name is free again then.
    sa.Column("is_closed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("org_id", "name", name="project_name"),
)

api_key = sa.Table(
    "api_key",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("org_id", _ID, sa.ForeignKey("organization.id"), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False, unique=True),
    sa.Column("sealed_ha1", sa.LargeBinary, nullable=False),
    sa.Column("private_key_tail", sa.Text, nullable=False),  # shown behind asterisks
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

api_key_role = _roles_of("api_key")
api_key_access = _networks_of("api_key")

network_permission = sa.Table(
    "network_permission",
    metadata,
    sa.Column("group_id", _ID, sa.ForeignKey("project.id"), primary_key=True),
    sa.Column("entry", _TEXT, primary_key=True),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
)

service_account = sa.Table(
    "service_account",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("org_id", _ID, sa.ForeignKey("organization.id"), nullable=False, index=True),
    sa.Column("name", _TEXT, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

service_account_role = _roles_of("service_account")
service_account_access = _networks_of("service_account")

service_account_secret = sa.Table(
    "service_account_secret",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column(
        "service_account_id",
        _ID,
        sa.ForeignKey("service_account.id"),
        nullable=False,
        index=True,
    ),
    sa.Column("secret_hash", sa.LargeBinary, nullable=False),
    sa.Column("tail", sa.Text, nullable=False),  # shown behind asterisks
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("last_used_at", sa.BigInteger),
)

access_token = sa.Table(
    "access_token",
    metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column(
        "secret_id", _ID, sa.ForeignKey("service_account_secret.id"), nullable=False, index=True
    ),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

token_request = sa.Table(
    "token_request",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("started_at", sa.BigInteger, nullable=False),  # of the minute that is counted
    sa.Column("requests", sa.Integer, nullable=False),
)

digest_use = sa.Table(
    "digest_use",
    metadata,
    sa.Column("nonce", sa.Text, primary_key=True),
    sa.Column("nonce_count", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

instance = sa.Table(
    "instance",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("group_id", _ID, sa.ForeignKey("project.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", _TEXT, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("managed", sa.Boolean, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("port", sa.Integer),
    sa.Column("sealed_credentials", sa.LargeBinary, nullable=False),
    sa.Column("mongodb_version", sa.Text),
    sa.Column("deployment_item_name", sa.Text, nullable=False),
    sa.Column("backing_provider_name", sa.Text, nullable=False),
    sa.Column("region_name", sa.Text, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("termination_protection", sa.Boolean, nullable=False),
    sa.Column("continuous_backup", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),  # of making or deleting it
    # Of a managed one on a fleet: the data directory, and so the machine, where its mongod is.
    sa.Column("machine", _ID),
    # Deleted and shown as such at least once: gone for everybody.
    sa.Column("deleted_at", sa.BigInteger),
    sa.Column("gone", sa.Boolean, nullable=False, default=False),
    # Restore jobs are numbered here, so that a page of them is a range of numbers.
    sa.Column("first_restore_job", sa.BigInteger, nullable=False, default=1),
    sa.Column("last_restore_job", sa.BigInteger, nullable=False, default=0),
    _partial_index("instance_name", "group_id", "name", where="NOT gone", unique=True),
)

snapshot = sa.Table(
    "snapshot",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("snapshot_type", sa.Text, nullable=False),
    sa.Column("requested_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("cluster_seconds", sa.BigInteger),
    sa.Column("cluster_increment", sa.BigInteger),
    sa.Column("consistency", sa.Text),
    sa.Column("mongodb_version", sa.Text),
    sa.Column("documents", sa.BigInteger, nullable=False, default=0),
    sa.Column("size_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("expected_bytes", sa.BigInteger, nullable=False, default=0, server_default="0"),
    sa.Column("new_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("namespaces", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("namespaces_total", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("failure", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    # How many rows of snapshot_collection it has; null where nobody has written them.
    sa.Column("collections", sa.Integer),
    # Of the job that deletes it: until that has ended there is a row, and nobody is shown it.
    sa.Column("deletion_id", _ID),
    sa.Column("started_at", sa.BigInteger),  # the last attempt
    sa.Column("frequency", sa.Text),
    sa.Column("policy_items", sa.JSON),  # ids of the rules that asked for it
    sa.Index("snapshot_order", "instance_id", "requested_at", "id"),
    # Without the nulls, which are nearly all: SQLite would take it for the way to find those.
    _partial_index(
        "snapshot_deletion", "deletion_id", where="deletion_id IS NOT NULL", unique=True
    ),
    _partial_index("snapshot_unfinished", "instance_id", where="finished_at IS NULL"),
    sa.Index("snapshot_expiry", "instance_id", "expires_at"),
)

snapshot_collection = sa.Table(
    "snapshot_collection",
    metadata,
    sa.Column(
        "snapshot_id", _ID, sa.ForeignKey("snapshot.id", ondelete="CASCADE"), primary_key=True
    ),
    *of_collection(),
)

backup_schedule = sa.Table(
    "backup_schedule",
    metadata,
    sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
    sa.Column("policy_id", _ID, nullable=False),
    # Objects of id, frequency, interval, unit and value, in the caller's order.
    sa.Column("items", sa.JSON, nullable=False),
    sa.Column("reference_hour", sa.Integer, nullable=False),
    sa.Column("reference_minute", sa.Integer, nullable=False),
    sa.Column("restore_window_days", sa.Integer, nullable=False),
    sa.Column("names_in_export_prefix", sa.Boolean, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False, server_default="0"),
)

schedule_run = sa.Table(
    "schedule_run",
    metadata,
    # The key is what keeps several workers from making one run twice.
    sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
    sa.Column("due_at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("noted_at", sa.BigInteger, nullable=False),
    sa.Column("snapshot_id", _ID),
    sa.Column("skipped", sa.Text),  # why there is no snapshot
    sa.Column("tries", sa.Integer, nullable=False, server_default="1"),  # of the snapshot
    sa.Index("schedule_run_age", "due_at"),
)

ended_jobs = sa.Table(
    "ended_jobs",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, primary_key=True),
    sa.Column("jobs", sa.BigInteger, nullable=False),
)

repository_size = sa.Table(
    "repository_size",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    sa.Column("measured_at", sa.BigInteger, nullable=False),
    sa.Column("packs", sa.BigInteger, nullable=False),
    sa.Column("stored_bytes", sa.BigInteger, nullable=False),
    sa.Column("snapshots", sa.BigInteger, nullable=False),
    sa.Column("logical_bytes", sa.BigInteger, nullable=False),
)

restore_job = sa.Table(
    "restore_job",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("delivery_type", sa.Text, nullable=False),
    sa.Column("snapshot_id", _ID, nullable=False),
    sa.Column("snapshot_taken_at", sa.BigInteger, nullable=False),
    sa.Column("snapshot_finished_at", sa.BigInteger),
    sa.Column("target_group_id", _ID, nullable=False),
    sa.Column("target_instance_id", _ID),  # a download has none
    sa.Column("target_cluster_name", sa.Text, nullable=False),
    sa.Column("target_deployment_item_name", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("cancelled", sa.Boolean, nullable=False, default=False),
    sa.Column("failure", sa.Text),
    sa.Column("documents", sa.BigInteger, nullable=False, default=0),
    sa.Column("documents_total", sa.BigInteger, nullable=False, default=0),
    sa.Column("size_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("size_bytes_total", sa.BigInteger, nullable=False, default=0),
    sa.Column("namespaces", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("namespaces_total", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("options", sa.JSON, nullable=False, server_default="{}"),  # those not usual
    sa.Column("cancel_requested_at", sa.BigInteger),
    # What the last attempt had to go on with, in bytes and namespaces.
    sa.Column("kept", sa.BigInteger, nullable=False, default=0, server_default="0"),
    # The moment that is restored, of a job for a point in time.
    sa.Column("point_seconds", sa.BigInteger),
    sa.Column("point_increment", sa.BigInteger),
    sa.Index("restore_job_order", "instance_id", "sequence", unique=True),
    sa.Index("restore_job_snapshot", "snapshot_id"),
    _partial_index(
        "restore_job_running", "target_instance_id", where="finished_at IS NULL", unique=True
    ),
)

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("machine", _ID, nullable=False),
    sa.Column("has_mongod", sa.Boolean, nullable=False),
    sa.Column("version", sa.Text, nullable=False),  # of the jobs that it knows how to go on with
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("beat_at", sa.BigInteger, nullable=False),  # by the clock of the database
)

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    # What every process that shares the database must be able to open with its master key.
    sa.Column("sealed_mark", sa.LargeBinary, nullable=False),
    sa.Column("repository_id", sa.Text),
)
