"""The programs that Telamon is measured against: the real ones where they are, else stand-ins."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets import DATABASE

_SOURCES = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Programs by path, and how they are called in the results. None: not to be had."""

    dump: str | None
    restore: str | None
    are_stand_ins: bool
    versions: str
    zstd: tuple[str, ...]
    zstd_name: str

    def dump_command(self, uri: str, *options: str) -> list[str]:
        assert self.dump is not None
        return [self.dump, "--quiet", f"--uri={uri}", f"--db={DATABASE}", "--archive", *options]

    def restore_command(self, uri: str, archive: Path) -> list[str]:
        assert self.restore is not None
        workers = ("--numInsertionWorkersPerCollection", "4")
        return [
            *(self.restore, "--quiet", f"--uri={uri}", f"--archive={archive}", "--gzip"),
            *("-j", "4", *workers),
        ]


def find_peers(folder: Path) -> Peers:
    """The PATH's mongodump and mongorestore; else stand-ins, built into ``folder`` if there is Go."""
    dump, restore = shutil.which("mongodump"), shutil.which("mongorestore")
    zstd = shutil.which("zstd")
    zstd_command = (zstd, "-3", "-q", "-c") if zstd else (sys.executable, "-m", "benchmarks.zstd3")
    zstd_name = _first_line(zstd, "--version") if zstd else "python-zstandard, in a process"
    go = shutil.which("go")
    versions = _first_line(dump, "--version") if dump else "none"
    are_stand_ins = (dump is None or restore is None) and go is not None
    if are_stand_ins and go is not None:
        subprocess.run(
            [go, "build", "-C", str(_SOURCES), "-o", f"{folder}/", "./dump", "./restore"],
            check=True,
        )
        dump, restore = str(folder / "dump"), str(folder / "restore")
        versions = _first_line(go, "version").removeprefix("go version ")
    return Peers(
        dump=dump,
        restore=restore,
        are_stand_ins=are_stand_ins,
        versions=versions,
        zstd=zstd_command,
        zstd_name=zstd_name,
    )


def _first_line(program: str, option: str) -> str:
    answer = subprocess.run([program, option], capture_output=True, text=True, check=True)
    return answer.stdout.strip(" *\n").partition("\n")[0].rstrip(" *")
