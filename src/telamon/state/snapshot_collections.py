"""Rows of what snapshots consist of, so that a question for it needs no repository."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from telamon.model.contents import SnapshotCollection
from telamon.model.manifest import CollectionKind, Manifest, Namespace, StoredCollection
from telamon.model.page import Page
from telamon.model.snapshot import SnapshotStatus
from telamon.state.tables import snapshot, snapshot_collection


def insert(tx: Connection, manifest: Manifest) -> None:
    """Those of a completed snapshot; nothing happens if they are there already."""
    noted = tx.execute(
        snapshot.update()
        .where(
            snapshot.c.id == manifest.snapshot_id,
            snapshot.c.status == SnapshotStatus.COMPLETED.value,
            snapshot.c.collections.is_(None),
        )
        .values(collections=len(manifest.collections))
    )
    if not noted.rowcount or not manifest.collections:
        return
    tx.execute(
        snapshot_collection.insert(),
        [
            {"snapshot_id": manifest.snapshot_id, **to_columns(_of(stored))}
            for stored in manifest.collections
        ],
    )


def are_known(tx: Connection, snapshot_id: str) -> bool:
    """Whether ``insert`` has been called for the snapshot."""
    count = sa.select(snapshot.c.collections).where(snapshot.c.id == snapshot_id)
    return tx.execute(count).scalar_one_or_none() is not None


def databases(tx: Connection, snapshot_id: str, *, limit: int, offset: int) -> Page[str]:
    """Names, in their order."""
    names = (
        sa.select(snapshot_collection.c.database)
        .where(snapshot_collection.c.snapshot_id == snapshot_id)
        .distinct()
    )
    rows = tx.execute(names.order_by("database").limit(limit).offset(offset))
    total = tx.execute(sa.select(sa.func.count()).select_from(names.subquery())).scalar_one()
    return Page(items=tuple(row.database for row in rows), total=total)


def has_database(tx: Connection, snapshot_id: str, database: str) -> bool:
    return (
        tx.execute(
            sa.select(snapshot_collection.c.name)
            .where(
                snapshot_collection.c.snapshot_id == snapshot_id,
                snapshot_collection.c.database == database,
            )
            .limit(1)
        ).first()
        is not None
    )


def page(
    tx: Connection, snapshot_id: str, database: str, *, limit: int, offset: int
) -> Page[SnapshotCollection]:
    """A part of a database's collections, by name."""
    listed = (snapshot_collection.c.snapshot_id == snapshot_id) & (
        snapshot_collection.c.database == database
    )
    rows = tx.execute(
        sa.select(snapshot_collection)
        .where(listed)
        .order_by(snapshot_collection.c.name)
        .limit(limit)
        .offset(offset)
    )
    total = tx.execute(
        sa.select(sa.func.count()).select_from(snapshot_collection).where(listed)
    ).scalar_one()
    return Page(items=tuple(from_row(row) for row in rows), total=total)


def whole(tx: Connection, snapshot_id: str) -> tuple[SnapshotCollection, ...]:
    """All that the snapshot consists of, by namespace."""
    rows = tx.execute(
        sa.select(snapshot_collection)
        .where(snapshot_collection.c.snapshot_id == snapshot_id)
        .order_by(snapshot_collection.c.database, snapshot_collection.c.name)
    )
    return tuple(from_row(row) for row in rows)


def find(tx: Connection, snapshot_id: str, namespace: Namespace) -> SnapshotCollection | None:
    row = tx.execute(
        sa.select(snapshot_collection).where(
            snapshot_collection.c.snapshot_id == snapshot_id,
            snapshot_collection.c.database == namespace.database,
            snapshot_collection.c.name == namespace.name,
        )
    ).first()
    return None if row is None else from_row(row)


def to_columns(collection: SnapshotCollection) -> dict[str, Any]:
    """All that a row has of it, but for what it is part of."""
    return {
        "database": collection.namespace.database,
        "name": collection.namespace.name,
        "kind": collection.kind.value,
        "documents": collection.documents,
        "size_bytes": collection.size_bytes,
    }


def _of(stored: StoredCollection) -> SnapshotCollection:
    return SnapshotCollection(
        namespace=stored.spec.namespace,
        kind=stored.spec.kind,
        documents=stored.documents,
        size_bytes=stored.size_bytes,
    )


def from_row(row: "Row[tuple[object, ...]]") -> SnapshotCollection:
    """The opposite of ``to_columns``."""
    return SnapshotCollection(
        namespace=Namespace(row.database, row.name),
        kind=CollectionKind(row.kind),
        documents=row.documents,
        size_bytes=row.size_bytes,
    )
