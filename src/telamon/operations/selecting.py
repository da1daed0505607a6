"""The part of a snapshot, or of a moment, that a restore job is for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from telamon.model.contents import SnapshotCollection
from telamon.model.manifest import CollectionKind, CollectionSpec, Namespace
from telamon.model.restore_job import RestoreJob
from telamon.model.restore_options import RestoreOptions
from telamon.model.selection import Existing, Selection, with_free_names
from telamon.model.snapshot import Snapshot
from telamon.mongo.connect import Client, translated
from telamon.mongo.fill import Source
from telamon.mongo.part import Part, names_of, placed, read_query
from telamon.operations.snapshot_contents import require_known
from telamon.state import restore_evidence, restored_collections, snapshot_collections


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much a job restores."""

    documents: int
    size_bytes: int
    namespaces: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCollection:
    """One that a job restores. ``asked`` is the name it was to have, ``place`` the one it gets.

    ``restored`` is how many documents have come: none until all have.
    """

    source: SnapshotCollection
    asked: Namespace
    place: Namespace
    restored: int = 0


def amounts_of(
    tx: Connection, snapshot: Snapshot, options: RestoreOptions, *, is_of_moment: bool
) -> Amounts:
    """What is known of them when the job is asked for: of a part of a moment, nothing.

    Raises InvalidSelection for one that cannot be; FeatureUnsupported as ``require_known`` does.
    """
    selection = options.selection
    if selection is None:
        return Amounts(
            documents=snapshot.documents,
            size_bytes=snapshot.size_bytes,
            namespaces=snapshot.namespaces_total,
        )
    if selection.query is not None:
        read_query(selection.query)
    if is_of_moment:
        selection.require_readable()
        return Amounts(documents=0, size_bytes=0, namespaces=0)
    require_known(tx, snapshot)
    chosen = _chosen(snapshot_collections.whole(tx, snapshot.id), options)
    return Amounts(
        documents=sum(each.source.documents for each in chosen),
        size_bytes=sum(each.source.size_bytes for each in chosen),
        namespaces=len(chosen),
    )


def collections_of(tx: Connection, job: RestoreJob) -> tuple[PlacedCollection, ...]:
    """What a job restores, by namespace.

    Nothing once the snapshot's contents are forgotten, or of a moment before it has been worked out.
    """
    if job.point_in_time is None:
        contents = snapshot_collections.whole(tx, job.snapshot_id)
    else:
        contents = restored_collections.whole(tx, job.id)
    if not contents:
        return ()
    done = restore_evidence.documents(tx, job.id)
    return tuple(
        replace(each, restored=done.get(each.place, 0)) for each in _chosen(contents, job.options)
    )


def moved_from(
    client: Client, selection: Selection, specs: Sequence[CollectionSpec]
) -> tuple[tuple[Namespace, Namespace], ...]:
    """What is to have another name than it was asked for, since the target has that.

    Raises InvalidSelection where nothing can.
    """
    places = selection.places({spec.namespace: spec.kind for spec in specs})
    with translated():
        taken = names_of(client, [place.database for place in places.values()])
    found = with_free_names(places, taken)
    return tuple((source, place) for source, place in found.items() if place != places[source])


def part_of(options: RestoreOptions) -> Part | None:
    """None for a restore of the whole."""
    selection = options.selection
    if selection is None:
        return None
    return Part(
        replaces=selection.existing is Existing.REPLACE,
        query=None if selection.query is None else read_query(selection.query),
    )


def placed_sources(sources: Sequence[Source], options: RestoreOptions) -> list[Source]:
    """What is restored, each as it is made in the target. Raises RestoreFailed as ``placed``.

    Raises InvalidSelection where ``sources`` have nothing of what is chosen.
    """
    selection = options.selection
    if selection is None:
        return list(sources)
    places = options.places(_kinds(sources))
    return [
        replace(source, spec=placed(source.spec, places, selection.indexes))
        for source in sources
        if source.spec.namespace in places
    ]


def contents_of(
    sources: Sequence[Source], options: RestoreOptions
) -> tuple[SnapshotCollection, ...]:
    """The chosen ones of ``sources``, by their own names."""
    places = options.places(_kinds(sources))
    return tuple(
        SnapshotCollection(
            namespace=source.spec.namespace,
            kind=source.spec.kind,
            documents=source.documents or 0,
            size_bytes=source.size_bytes,
        )
        for source in sources
        if source.spec.namespace in places
    )


def _kinds(sources: Sequence[Source]) -> dict[Namespace, CollectionKind]:
    return {source.spec.namespace: source.spec.kind for source in sources}


def _chosen(
    contents: Sequence[SnapshotCollection], options: RestoreOptions
) -> tuple[PlacedCollection, ...]:
    known = {each.namespace: each for each in contents}
    kinds = {namespace: each.kind for namespace, each in known.items()}
    asked = replace(options, moved=()).places(kinds)
    return tuple(
        PlacedCollection(source=known[source], asked=asked[source], place=place)
        for source, place in options.places(kinds).items()
    )
