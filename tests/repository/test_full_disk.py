"""A file system without room: a real one, small, in a mount namespace of the test's own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

SCRIPT = """
import json, random, secrets, sys
from pathlib import Path

from telamon.blobs.local import LocalBlobStore
from telamon.errors import Unavailable
from telamon.repository.check import Check
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository
from tests.repository.samples import FIRST, SECOND, SMALL_CUT, noise, orders, read, take

root = Path(sys.argv[1])
store = LocalBlobStore(root / "repository")
repository = Repository.create(store, secrets.token_bytes, SMALL_CUT)
take(repository, FIRST, {"orders": orders(40)})
ballast = root / "ballast"
with ballast.open("wb") as file:
    file.write(bytes(200_000))
failures = []
for number in range(3):
    try:
        take(repository, SECOND, {"noise": noise(2000, 1000)})
    except Unavailable as error:
        failures.append(error.message)
survivor = Repository.open(store)
found = {
    "failures": failures,
    "snapshots": survivor.snapshot_ids(),
    "first": read(survivor, FIRST) == {"orders": b"".join(orders(40))},
    "leftovers": store.remove_leftovers(),
    "findings": len(Check(survivor, random.Random(1)).run(read_data_percent=100).findings),
}
ballast.unlink()
Prune(survivor).execute()
take(survivor, SECOND, {"noise": noise(900, 1000)})
found["second"] = read(Repository.open(store), SECOND) == {"noise": b"".join(noise(900, 1000))}
print(json.dumps(found))
"""


def run_on_small_disk(root: Path, size: str) -> dict[str, Any]:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not here: no file system of the test's own can be mounted")
    mount = f"mount -t tmpfs -o size={size} tmpfs {root}"
    namespace = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    if subprocess.run([*namespace, mount], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a file system of one's own")
    command = [*namespace, f'{mount} && exec "$0" -c "$1" {root}', sys.executable, SCRIPT]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_full_disk_fails_the_snapshot_and_harms_no_other(tmp_path: Path) -> None:
    found = run_on_small_disk(tmp_path, "1500k")
    assert len(found["failures"]) == 3
    for failure in found["failures"]:
        assert failure.endswith("No space left on device.")
        assert "repository/packs/" in failure
    assert found["snapshots"] == ["65f0000000000000000000a1"]
    assert found["first"] is True
    assert found["leftovers"] == 0
    assert found["findings"] == 0
    assert found["second"] is True
