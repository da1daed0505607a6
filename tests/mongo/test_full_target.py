"""A target whose file system is full: a real one, small, in a mount namespace of the test's own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIZE = "800m"  # what mongod's journal and oplog take comes to half of it
ROOMY = "3g"  # to come back, mongod may write all of it again

SCRIPT = """
import json, random, subprocess, sys
from pathlib import Path

import bson

from telamon.errors import TelamonError
from telamon.model.manifest import CollectionKind, CollectionSpec, Namespace
from telamon.mongo.connect import open_client
from telamon.mongo.fill import Source
from telamon.mongo.managed import start_managed, telamon_uri
from telamon.mongo.process import MongodProcess
from telamon.mongo.restore import Restore
from tests.conftest import PASSWORDS
from tests.mongo.memory import JOB, content, ignore

root, program = Path(sys.argv[1]), Path(sys.argv[2])
noise = random.Random(1)
spec = CollectionSpec(
    namespace=Namespace("shop", "orders"),
    kind=CollectionKind.COLLECTION,
    options=bson.encode({}),
    indexes=(bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"}),),
    uuid=bytes(16),
)


def documents():
    while True:
        yield b"".join(bson.encode({"noise": noise.randbytes(100_000)}) for _ in range(40))


def restore(client):
    endless = Source(spec=spec, documents=None, size_bytes=0, read=documents)
    return Restore(client, job_id=JOB, sources=[endless], progress=ignore)


process = MongodProcess(program, root / "target")
port = start_managed(process, PASSWORDS, wanted_port=None)
found = {}
try:
    with open_client(telamon_uri(port, PASSWORDS)) as client:
        client.shop.orders.insert_many([{"_id": n, "mine": True} for n in range(1000)])
        client.shop.orders.create_index("mine")
        before = content(client)
        try:
            restore(client).load()
        except TelamonError as error:
            found["failure"] = error.message
    process.stop()
    subprocess.run(["mount", "-o", f"remount,size={sys.argv[3]}", str(root)], check=True)
    start_managed(process, PASSWORDS, wanted_port=port)
    with open_client(telamon_uri(port, PASSWORDS)) as client:
        restore(client).discard()
        found["same"] = content(client) == before
finally:
    process.stop()
print(json.dumps(found))
"""


def test_a_target_that_is_full_keeps_its_data_and_comes_back(
    tmp_path: Path, mongod_program: Path
) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not here: no file system of the test's own can be mounted")
    mount = f"mount -t tmpfs -o size={SIZE} tmpfs {tmp_path}"
    namespace = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    if subprocess.run([*namespace, mount], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a file system of one's own")
    run = f'{mount} && exec "$0" -c "$1" {tmp_path} {mongod_program} {ROOMY}'

    done = subprocess.run(
        [*namespace, run, sys.executable, SCRIPT], capture_output=True, cwd=ROOT, check=False
    )

    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout.splitlines()[-1])
    assert "failure" in found
    assert found["same"] is True
