"""A file on its way: clients that leave, that take nothing, that are too many; chunks that are lost."""

import asyncio
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from starlette.types import ASGIApp, Message, Scope

from telamon.api import downloads
from telamon.model.instance import Instance
from tests.api.routes.downloads import Link, add_download, link_to, prepare, store_snapshot
from tests.api.routes.world import SNAPSHOT_ID, World
from tests.repository.samples import flip, keys, replace_blob

AT_ONCE = 20


@pytest.fixture
def link(world: World, orders: Instance) -> Link:
    """To a download that is ready."""
    store_snapshot(world, orders)
    add_download(world, orders)
    prepare(world)
    return link_to(world)


@dataclass
class Peer:
    """A connection, as a server sees it. After ``takes`` messages the client takes no more."""

    takes: float = float("inf")
    leaves: bool = False
    messages: list[Message] = field(default_factory=list)
    is_full: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        if not self.leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.messages.append(message)
        if len(self.messages) >= self.takes:
            self.is_full.set()
            await asyncio.Event().wait()

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def is_complete(self) -> bool:
        last = self.messages[-1]
        return last["type"] == "http.response.body" and not last.get("more_body", False)


def scope_of(link: Link, method: str = "GET") -> Scope:
    path = urlsplit(link.url).path
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"telamon.test")],
        "client": ("203.0.113.9", 1),
        "server": ("telamon.test", 80),
    }


async def fetch(app: ASGIApp, link: Link, peer: Peer, method: str = "GET") -> Peer:
    await app(scope_of(link, method), peer.receive, peer.send)
    return peer


async def test_a_client_that_stays_gets_it_all_in_pieces(world: World, link: Link) -> None:
    peer = await fetch(world.app(), link, Peer())

    assert (peer.is_complete, peer.body) == (True, (await link.get()).content)
    assert len(peer.messages) > 4
    assert all(len(message.get("body", b"")) <= 1_048_658 for message in peer.messages)


async def test_a_client_that_leaves_is_sent_no_more(world: World, link: Link) -> None:
    peer = await fetch(world.app(), link, Peer(leaves=True))

    assert not peer.is_complete
    assert len(peer.messages) == 2


async def test_a_client_that_takes_nothing_is_left(
    world: World, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_STALL_SECONDS", 0.01)

    peer = await fetch(world.app(), link, Peer(takes=3))

    assert not peer.is_complete
    assert len(peer.messages) == 3


async def test_a_chunk_that_is_harmed_breaks_the_file_off(world: World, link: Link) -> None:
    """What was sent is right, and less than was promised: no client takes it for the whole."""
    whole = (await link.get()).content
    store = world.repository.store
    collections = world.repository.manifest(SNAPSHOT_ID).collections
    last = next(chunk for stored in reversed(collections) for chunk in reversed(stored.chunks))
    world.repository.index.refresh()
    place = world.repository.index.locate(last.chunk_id)
    replace_blob(store, place.pack_key, flip(store.get(place.pack_key), place.offset + 100))

    peer = await fetch(world.app(), link, Peer())

    promised = {name.lower(): value for name, value in peer.messages[0]["headers"]}
    assert promised[b"content-length"] == str(len(whole)).encode()
    assert not peer.is_complete
    assert 0 < len(peer.body) < len(whole)
    assert whole.startswith(peer.body)


async def test_a_file_that_cannot_even_begin_is_an_error(world: World, link: Link) -> None:
    (pack,) = keys(world.repository.store, "packs/")
    world.repository.store.delete(pack)

    peer = await fetch(world.app(), link, Peer())

    assert (peer.status, peer.is_complete) == (500, True)
    assert b"is in no readable pack" in peer.body


async def test_so_many_files_are_sent_at_once_and_then_others(world: World, link: Link) -> None:
    app = world.app()
    peers = [Peer(takes=2) for _ in range(AT_ONCE)]
    transfers = [asyncio.ensure_future(fetch(app, link, peer)) for peer in peers]
    for peer in peers:
        await peer.is_full.wait()

    refused = await fetch(app, link, Peer())
    asked = await fetch(app, link, Peer(), "HEAD")
    for transfer in transfers:
        transfer.cancel()
    await asyncio.gather(*transfers, return_exceptions=True)
    served = await fetch(app, link, Peer())

    assert (refused.status, asked.status, served.status) == (503, 200, 200)
    assert b"try again later" in refused.body
    assert served.is_complete


async def test_whoever_is_cut_off_in_the_middle_frees_what_was_held(
    world: World, link: Link
) -> None:
    """As when the server stops: the thread ends, and with it the reading ahead."""
    peer = Peer(takes=2)
    transfer = asyncio.ensure_future(fetch(world.app(), link, peer))
    await peer.is_full.wait()

    transfer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await transfer

    for thread in of_downloads():
        await asyncio.to_thread(thread.join, 10)
    assert of_downloads() == []


def of_downloads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("download")]
