"""Rows of projects: listed, changed, closed. ``state.access`` inserts and finds them."""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row
from sqlalchemy.exc import IntegrityError

from telamon.errors import GroupAlreadyExists
from telamon.model.access import Project
from telamon.model.page import Page
from telamon.state.moments import from_seconds
from telamon.state.tables import instance, project


def find_by_name(tx: Connection, org_id: str, name: str) -> Project | None:
    """The open one of exactly that name."""
    row = tx.execute(
        sa.select(project).where(
            project.c.org_id == org_id, project.c.name == name, ~project.c.is_closed
        )
    ).first()
    return None if row is None else of_row(row)


def page(
    tx: Connection,
    org_id: str,
    *,
    limit: int,
    offset: int,
    only: Collection[str] | None = None,
    prefix: str = "",
) -> Page[Project]:
    """Open projects of an organization by name, byte by byte as Atlas orders them.

    ``only`` holds the ids to choose from, ``prefix`` how their names begin, in any case.
    """
    wanted: ColumnElement[bool] = (project.c.org_id == org_id) & ~project.c.is_closed
    if only is not None:
        wanted &= project.c.id.in_(only)
    if prefix:
        wanted &= project.c.name.istartswith(prefix, autoescape=True)
    rows = tx.execute(
        sa.select(project)
        .where(wanted)
        .order_by(project.c.name, project.c.id)
        .limit(limit)
        .offset(offset)
    )
    total = tx.execute(sa.select(sa.func.count()).select_from(project).where(wanted)).scalar_one()
    return Page(items=tuple(of_row(row) for row in rows), total=total)


def count(tx: Connection, org_id: str) -> int:
    """How many open ones an organization has."""
    return int(
        tx.execute(
            sa.select(sa.func.count())
            .select_from(project)
            .where(project.c.org_id == org_id, ~project.c.is_closed)
        ).scalar_one()
    )


def count_instances(tx: Connection, group_ids: Sequence[str]) -> Mapping[str, int]:
    """How many instances that are not deleted each project has; a project without is missing."""
    rows = tx.execute(
        sa.select(instance.c.group_id, sa.func.count())
        .where(instance.c.group_id.in_(group_ids), instance.c.deleted_at.is_(None))
        .group_by(instance.c.group_id)
    )
    return {str(row[0]): int(row[1]) for row in rows}


def set_name(tx: Connection, group_id: str, name: str) -> None:
    """Raises GroupAlreadyExists if another project of the organization has it."""
    try:
        tx.execute(project.update().where(project.c.id == group_id).values(name=name))
    except IntegrityError as error:
        raise GroupAlreadyExists(name) from error


def set_tags(tx: Connection, group_id: str, tags: Sequence[tuple[str, str]]) -> None:
    tx.execute(
        project.update().where(project.c.id == group_id).values(tags=[list(tag) for tag in tags])
    )


def close(tx: Connection, group_id: str) -> None:
    """It keeps its row, and another project may have its name."""
    tx.execute(
        project.update()
        .where(project.c.id == group_id)
        .values(is_closed=True, name=project.c.name + " closed as " + project.c.id)
    )


def of_row(row: "Row[tuple[object, ...]]") -> Project:
    """From all columns of the table."""
    return Project(
        id=row.id,
        org_id=row.org_id,
        name=row.name,
        created_at=from_seconds(row.created_at),
        tags=tuple((key, value) for key, value in row.tags),
        has_default_alerts=row.has_default_alerts,
        is_closed=row.is_closed,
    )
