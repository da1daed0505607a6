"""What a restore says of each namespace, and that it says nothing of documents that are not the right ones."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from telamon.errors import IntegrityError, RestoreFailed
from telamon.model.restore_evidence import NamespaceEvidence
from telamon.mongo.fill import Source
from telamon.mongo.restore import Restore
from tests.conftest import Mongod
from tests.mongo.memory import JOB, Memory, content, ignore
from tests.mongo.trouble import fill_target


class Digest:
    """A verifier that knows the hash that should come of it."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._found = hashlib.sha256()

    def update(self, documents: bytes) -> None:
        self._found.update(documents)

    def finish(self) -> str:
        if self._found.hexdigest() != self._wanted:
            raise IntegrityError("It is another.")
        return self._wanted


def digest_of(memory: Memory, name: str) -> str:
    stored = next(one for one in memory.collections if str(one.spec.namespace) == name)
    return hashlib.sha256(b"".join(memory.open(stored))).hexdigest()


def restore(
    memory: Memory, mongod: Mongod, altered: Callable[[Source], Source], **options: Any
) -> Restore:
    sources = [
        altered(
            Source(
                spec=stored.spec,
                documents=stored.documents,
                size_bytes=stored.size_bytes,
                read=partial(memory.open, stored),
                verifier=partial(Digest, digest_of(memory, str(stored.spec.namespace))),
            )
        )
        for stored in memory.collections
    ]
    return Restore(mongod.client, job_id=JOB, sources=sources, progress=ignore, **options)


def test_every_namespace_is_told_of_with_what_the_target_has(
    memory: Memory, target: Mongod
) -> None:
    found = dict[str, NamespaceEvidence]()
    job = restore(
        memory,
        target,
        lambda source: source,
        evidence=lambda one: found.update({str(one.namespace): one}),
    )

    job.load()
    loaded = set(found)
    job.swap()

    # What has no shadow is told of in the swap.
    assert set(found) - loaded == {"shop.series", "shop.system.js", "shop.view"}
    assert {name: (one.documents, one.indexes) for name, one in found.items()} == {
        "other.empty": (0, 1),
        "shop.orders": (10, 2),
        "shop.ring": (5, 1),
        "shop.series": (1, 1),
        "shop.system.js": (1, 1),
        "shop.view": (0, 0),
    }
    for stored in memory.collections:
        one = found[str(stored.spec.namespace)]
        assert (one.kind, one.size_bytes) == (stored.spec.kind, stored.size_bytes)
        assert one.seconds >= 0
        is_view = str(one.namespace) == "shop.view"
        expected = None if is_view else digest_of(memory, str(one.namespace))
        assert one.content_hash == expected


@pytest.mark.parametrize("name", ["shop.orders", "shop.series", "shop.system.js"])
def test_other_documents_than_the_manifests_fail_the_load_and_the_target_stays(
    memory: Memory, target: Mongod, name: str
) -> None:
    fill_target(target.client)
    before = content(target.client)

    def altered(source: Source) -> Source:
        if str(source.spec.namespace) != name:
            return source
        return replace(source, verifier=partial(Digest, "of others"))

    job = restore(memory, target, altered)
    with pytest.raises(
        RestoreFailed, match=f"inserted into {name} is not .* manifest tells of: It is another"
    ):
        job.load()
    job.discard()

    assert content(target.client) == before


def test_a_source_without_a_verifier_has_no_hash(memory: Memory, target: Mongod) -> None:
    found = list[NamespaceEvidence]()
    memory.restore(target.client, evidence=found.append).load()

    assert {one.content_hash for one in found} == {None}
