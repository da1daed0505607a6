"""Commands that ask a running server."""

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests.cli.conftest import Here, Shell
from tests.conftest import Mongod

CLIENT_COMMANDS = [
    ("instance", "list"),
    ("instance", "create", "x"),
    ("instance", "attach", "x", "--uri", "mongodb://127.0.0.1"),
    ("snapshot", "list", "x"),
    ("snapshot", "take", "x"),
    ("restore", "cancel", "x", "65f0000000000000000000e0"),
    ("restore", "list", "x"),
    ("restore", "show", "x", "65f0000000000000000000e0"),
    ("restore", "start", "x", "65f0000000000000000000d0"),
    ("drill", "x"),
    ("drill", "start", "x"),
    ("drill", "list", "x"),
    ("drill", "report", "x", "65f0000000000000000000f7"),
    ("drill", "key"),
]


class _NoTelamon(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path.endswith("/serverless?itemsPerPage=500") else 502)
        self.end_headers()
        self.wfile.write(b"<html>Welcome</html>")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def other_server() -> Iterator[str]:
    """A web server that is no Telamon."""
    with HTTPServer(("127.0.0.1", 0), _NoTelamon) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def with_keys(shell: Shell, url: str) -> Shell:
    return shell.within(
        TELAMON_URL=url,
        TELAMON_PUBLIC_KEY="abcdefgh",
        TELAMON_PRIVATE_KEY="secret",
        TELAMON_GROUP_ID="65f0000000000000000000b0",
    )


@pytest.mark.parametrize("command", CLIENT_COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_without_keys_the_missing_settings_are_told(shell: Shell, command: tuple[str, ...]) -> None:
    ended = shell.telamon(*command)

    assert (ended.exit_code, ended.out, ended.err) == (
        78,
        "",
        "telamon: TELAMON_PUBLIC_KEY, TELAMON_PRIVATE_KEY, TELAMON_GROUP_ID must be set; "
        "telamon init prints the values.\n",
    )


def test_a_server_that_is_not_there_can_be_tried_again_later(shell: Shell) -> None:
    ended = with_keys(shell, "http://127.0.0.1:1").telamon("instance", "list")

    assert (ended.exit_code, ended.out, ended.err) == (
        75,
        "",
        "telamon: The server at http://127.0.0.1:1 does not answer: [Errno 111] Connection "
        "refused. TELAMON_URL says where it is.\n",
    )


def test_a_server_that_is_no_telamon_is_told(here: Here, shell: Shell, other_server: str) -> None:
    ended = here(with_keys(shell, other_server), "instance", "list")

    assert (ended.exit_code, ended.out, ended.err) == (
        75,
        "",
        f"telamon: What answers at {other_server} is not Telamon. TELAMON_URL says where it is.\n",
    )


def test_a_refusal_without_words_is_told_by_its_number(
    here: Here, shell: Shell, other_server: str
) -> None:
    ended = here(with_keys(shell, other_server), "snapshot", "take", "x")

    assert (ended.exit_code, ended.out) == (1, "")
    assert ended.err == "telamon: The server answered 502.\n"


def test_a_wrong_key_is_a_matter_of_permission(here: Here, served: Shell) -> None:
    ended = here(served.within(TELAMON_PRIVATE_KEY="wrong"), "instance", "list")

    assert (ended.exit_code, ended.out) == (77, "")
    assert ended.err == "telamon: You are not authorized for this resource.\n"


@pytest.mark.parametrize(
    ("command", "exit_code", "sentence"),
    [
        (
            ("snapshot", "take", "nobody"),
            4,
            "No serverless instance named nobody exists in group ",
        ),
        (
            ("restore", "start", "nobody", "65f0000000000000000000d0"),
            4,
            "No serverless instance named nobody exists in group ",
        ),
        (
            ("instance", "attach", "a b", "--uri", "mongodb://127.0.0.1"),
            2,
            "The cluster name a b is invalid.",
        ),
        (
            ("instance", "attach", "x", "--uri", "http://somebody:secret@127.0.0.1"),
            2,
            "The deployment cannot be protected: its URI is not a valid MongoDB connection string.",
        ),
        (
            ("instance", "create", "x", "--provider", "NOBODY"),
            2,
            "",
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_a_refusal_is_the_servers_own_words(
    here: Here, served: Shell, command: tuple[str, ...], exit_code: int, sentence: str
) -> None:
    ended = here(served, *command)

    assert (ended.exit_code, ended.out) == (exit_code, "")
    assert ended.err.startswith(f"telamon: {sentence}")
    assert ended.err.count("\n") == 1
    assert "secret" not in ended.err


def test_a_deployment_is_attached_as_a_dedicated_cluster(
    here: Here, served: Shell, source: Mongod
) -> None:
    here(
        served, "instance", "attach", "Fixed", "--uri", "-", "--kind", "dedicated", given=source.uri
    )

    listed = here(served, "instance", "list").out.splitlines()

    assert f"Fixed  IDLE  mongodb://127.0.0.1:{source.port}/  dedicated" in listed


def test_a_deployment_is_attached_snapshotted_and_restored(
    here: Here, served: Shell, source: Mongod
) -> None:
    """The whole way on the command line."""
    source.client.shop.orders.insert_many([{"_id": n} for n in range(50)])

    attached = here(served, "instance", "attach", "Mine", "--uri", "-", given=source.uri)
    assert (attached.exit_code, attached.err) == (0, "")
    assert re.fullmatch(
        rf"Mine  [0-9a-f]{{24}}  IDLE  mongodb://127\.0\.0\.1:{source.port}/?\n", attached.out
    )

    taken = here(served, "snapshot", "take", "Mine", "--wait")
    assert taken.exit_code == 0, taken.err
    assert all(line.startswith("Taking the snapshot: ") for line in taken.err.splitlines())
    snapshot_id, summary = taken.out.splitlines()
    assert summary.startswith("completed at ")
    assert ": 50 documents, " in summary

    source.client.shop.orders.delete_many({})
    restored = here(served, "restore", "start", "Mine", snapshot_id, "--wait")
    assert restored.exit_code == 0, restored.err
    assert all(line.startswith("Restoring: ") for line in restored.err.splitlines())
    assert re.search(r"finished at \S+: 50 documents, \d+ bytes\n$", restored.out)
    assert source.client.shop.orders.count_documents({}) == 50

    part = ("--ns", "shop", "--suffix", "_few", "--query", '{"_id": {"$lt": 7}}')
    restored = here(served, "restore", "start", "Mine", snapshot_id, *part, "--wait")
    assert re.search(r"finished at \S+: 7 documents, \d+ bytes\n$", restored.out), restored.err
    assert source.client.shop.orders_few.count_documents({}) == 7
    refused = here(served, "restore", "start", "Mine", snapshot_id, "--ns", "shop", "--wait")
    assert "the target has shop.orders, which nobody asked to replace" in refused.err

    assert here(served, "instance", "list").out.startswith("Mine  IDLE  mongodb://")
    assert here(served, "snapshot", "list", "Mine").out.startswith(f"{snapshot_id}  completed  ")
    listed = here(served, "restore", "list", "Mine").out
    assert re.fullmatch(
        rf"[0-9a-f]{{24}}  failed  {snapshot_id}  Mine\n"
        rf"([0-9a-f]{{24}}  finished \S+  {snapshot_id}  Mine\n){{2}}",
        listed,
    )
