"""A process of mongodb-mcp-server, spoken to as an agent's host does: JSON-RPC, a line a message."""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.end_to_end.harness import PATIENCE_SECONDS, Json

_PROGRAM = Path("node_modules", "mongodb-mcp-server", "dist", "index.js")


class McpSession:
    """The host's end of ``process``, whose standard error goes to ``log``."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._tells, self._says, self._log = process.stdin, process.stdout, log
        self._said: queue.Queue[str | None] = queue.Queue()
        self._asked = 0

    def read(self) -> None:
        """Take what the process says until it says no more."""
        for line in self._says:
            self._said.put(line)
        self._said.put(None)

    def begin(self) -> None:
        self.ask(
            "initialize",
            protocolVersion="2025-06-18",
            capabilities={},
            clientInfo={"name": "telamon-tests", "version": "1"},
        )
        self._tell({"method": "notifications/initialized"})

    def ask(self, method: str, **params: Any) -> Json:
        """The result of a call."""
        self._asked += 1
        self._tell({"id": self._asked, "method": method, "params": params})
        answer: Json = {}
        while answer.get("id") != self._asked:
            line = self._said.get(timeout=PATIENCE_SECONDS)
            assert line is not None, self._log.read_text()
            answer = json.loads(line)
        assert "error" not in answer, answer
        result: Json = answer["result"]
        return result

    def tool(self, name: str, **arguments: object) -> Json:
        """What a tool that succeeds returns for programs."""
        result = self.ask("tools/call", name=name, arguments=arguments)
        assert not result.get("isError"), result
        found: Json = result["structuredContent"]
        return found

    def failure(self, name: str, **arguments: object) -> str:
        """What a tool that fails says to its model."""
        result = self.ask("tools/call", name=name, arguments=arguments)
        assert result["isError"], result
        return "\n".join(part["text"] for part in result["content"])

    def _tell(self, message: Json) -> None:
        self._tells.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._tells.flush()


@contextmanager
def mcp_session(installed: Path, settings: dict[str, str], log: Path) -> Iterator[McpSession]:
    """With ``settings`` in its environment. It ends as hosts end it: nothing more is said to it."""
    with (
        log.open("ab") as errors,
        subprocess.Popen(
            ["node", str(installed / _PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **settings},
        ) as process,
    ):
        session = McpSession(process, log)
        reader = threading.Thread(target=session.read)
        reader.start()
        try:
            session.begin()
            yield session
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()
        finally:
            process.kill()
            reader.join()
