"""Rows of what restores have proven of each namespace."""

from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row

from telamon.model.manifest import CollectionKind, Namespace
from telamon.model.page import Page
from telamon.model.restore_evidence import NamespaceEvidence, SkippedIndex
from telamon.state.restore_tables import restore_evidence as table


def put(tx: Connection, restore_job_id: str, found: NamespaceEvidence) -> None:
    """In place of what was there of the namespace, if anything was."""
    tx.execute(table.delete().where(_is_of(restore_job_id, found.namespace)))
    tx.execute(
        table.insert().values(
            restore_job_id=restore_job_id,
            database=found.namespace.database,
            name=found.namespace.name,
            kind=found.kind.value,
            documents=found.documents,
            size_bytes=found.size_bytes,
            content_hash=found.content_hash,
            indexes=found.indexes,
            milliseconds=round(found.seconds * 1000),
            skipped_indexes=[asdict(each) for each in found.skipped_indexes],
        )
    )


def page(
    tx: Connection, restore_job_id: str, *, limit: int, offset: int
) -> Page[NamespaceEvidence]:
    """A part of what is known of a job, by namespace."""
    listed = table.c.restore_job_id == restore_job_id
    rows = tx.execute(
        sa.select(table)
        .where(listed)
        .order_by(table.c.database, table.c.name)
        .limit(limit)
        .offset(offset)
    )
    total = tx.execute(sa.select(sa.func.count()).select_from(table).where(listed)).scalar_one()
    return Page(items=tuple(_evidence(row) for row in rows), total=total)


def documents(tx: Connection, restore_job_id: str) -> dict[Namespace, int]:
    """How many each namespace has that is done."""
    rows = tx.execute(
        sa.select(table.c.database, table.c.name, table.c.documents).where(
            table.c.restore_job_id == restore_job_id
        )
    )
    return {Namespace(row.database, row.name): row.documents for row in rows}


def _is_of(restore_job_id: str, namespace: Namespace) -> ColumnElement[bool]:
    return (
        (table.c.restore_job_id == restore_job_id)
        & (table.c.database == namespace.database)
        & (table.c.name == namespace.name)
    )


def _evidence(row: "Row[tuple[object, ...]]") -> NamespaceEvidence:
    return NamespaceEvidence(
        namespace=Namespace(row.database, row.name),
        kind=CollectionKind(row.kind),
        documents=row.documents,
        size_bytes=row.size_bytes,
        content_hash=row.content_hash,
        indexes=row.indexes,
        seconds=row.milliseconds / 1000,
        skipped_indexes=tuple(SkippedIndex(**each) for each in row.skipped_indexes),
    )
