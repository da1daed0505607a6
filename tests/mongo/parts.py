"""Restores of a part of a snapshot, and what a deployment must hold after them."""

from functools import partial
from typing import Any

from telamon.model.selection import Selection
from telamon.mongo.connect import Client
from telamon.mongo.fill import Source
from telamon.mongo.part import Part, placed, read_query
from telamon.mongo.restore import Restore
from tests.mongo.memory import JOB, Memory, ignore


def selected(*namespaces: str, renames: dict[str, str] | None = None, **options: Any) -> Selection:
    return Selection(namespaces=namespaces, renames=tuple((renames or {}).items()), **options)


def restore_of(
    memory: Memory,
    client: Client,
    selection: Selection,
    *,
    replaces: bool = False,
    documents: Any = None,
    **changes: Any,
) -> Restore:
    """The restore of what is selected of ``memory``."""
    contents = {one.spec.namespace: one.spec.kind for one in memory.collections}
    places = selection.places(contents)
    sources = [
        Source(
            spec=placed(stored.spec, places, selection.indexes),
            documents=stored.documents,
            size_bytes=stored.size_bytes,
            read=partial(documents or memory.open, stored),
        )
        for stored in memory.collections
        if stored.spec.namespace in places
    ]
    query = None if selection.query is None else read_query(selection.query)
    arguments: dict[str, Any] = {"job_id": JOB, "sources": sources, "progress": ignore}
    part = Part(replaces=replaces, query=query)
    return Restore(client, part=part, **{**arguments, **changes})


def restore_part(
    memory: Memory, client: Client, selection: Selection, *, replaces: bool = False
) -> None:
    job = restore_of(memory, client, selection, replaces=replaces)
    job.load()
    job.swap()
    job.discard()


def plain(content: dict[str, Any]) -> dict[str, Any]:
    """Without the hash of what a database notes of its views and time series, which are told of singly."""
    return {
        key: value for key, value in content.items() if not key.endswith("hash of system.views")
    }


def named(content: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """What ``content`` tells of the namespaces that are keys of ``names``, said of their values."""
    found = {}
    for key, value in content.items():
        database, _, what = key.partition(": ")
        told, _, name = what.rpartition(" ")
        series = name.removeprefix("system.buckets.")
        if place := names.get(f"{database}.{series}"):
            new_database, _, new_name = place.partition(".")
            prefix = name.removesuffix(series)
            found[f"{new_database}: {told} {prefix}{new_name}"] = value
    return found
