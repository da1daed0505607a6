"""The API on a port of this machine: ``python -m benchmarks.api_server ADDRESS JOBS``.

ADDRESS is a new file of SQLite or a URL of an empty PostgreSQL database. Beside the API the path
``/`` answers with an empty object, by Starlette alone. Tells as JSON where it listens and who may
ask, and ends when its standard input does.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from benchmarks.page import app_with_jobs
from telamon.state.database import Database


def main() -> None:
    address, jobs = sys.argv[1], int(sys.argv[2])
    db = Database.postgresql(address) if "://" in address else Database.sqlite(Path(address))
    made = app_with_jobs(db, jobs)
    empty = Starlette(routes=[Route("/", lambda _request: Response(b"{}"))])

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        await (empty if scope.get("path") == "/" else made.app)(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    told = {
        "port": listener.getsockname()[1],
        "public_key": made.public_key,
        "private_key": made.private_key,
        "path": made.path,
    }
    print(json.dumps(told), flush=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    config = uvicorn.Config(both, log_config=None, access_log=False, lifespan="off")
    uvicorn.Server(config).run([listener])


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
