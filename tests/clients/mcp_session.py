"""A process of mongodb-mcp-server, spoken to as an agent's host does: JSON-RPC, a line a message."""

import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.end_to_end.harness import PATIENCE_SECONDS, Json

_PROGRAM = Path("node_modules", "mongodb-mcp-server", "dist", "index.js")


class McpSession:
    """``settings`` are environment variables of the program; it logs to ``log``."""

    def __init__(self, installed: Path, settings: dict[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                ["node", str(installed / _PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **settings},
            )
        self._said: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._asked = 0

    def __enter__(self) -> Self:
        self._reader.start()
        self.ask(
            "initialize",
            protocolVersion="2025-06-18",
            capabilities={},
            clientInfo={"name": "telamon-tests", "version": "1"},
        )
        self._tell({"method": "notifications/initialized"})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """As a host ends it: nothing more is said to it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()

    def ask(self, method: str, **params: Any) -> Json:
        """The result of a call."""
        self._asked += 1
        self._tell({"id": self._asked, "method": method, "params": params})
        while (answer := json.loads(self._said.get(timeout=PATIENCE_SECONDS))).get(
            "id"
        ) != self._asked:
            pass
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
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)
