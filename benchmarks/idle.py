"""What a worker costs that has nothing to do; and what it costs to rest here at all."""

import os
import sys
import time
from pathlib import Path

from benchmarks.databases import both_databases
from benchmarks.goals import SQLITE
from benchmarks.measured import Measured, Thing
from benchmarks.processes import Sample, run_job
from benchmarks.serving import idle_worker

_SECONDS = 30.0
_SETTLING_SECONDS = 5.0  # the first tick has chores of its own
_AFTER_NAME = 2
_USER, _SYSTEM = 13 - _AFTER_NAME, 14 - _AFTER_NAME


def measure_idle(root: Path, rounds: int, measured: Measured) -> None:
    """On each kind of database, by turns."""
    with both_databases(root / "idle") as databases:
        for number in range(rounds):
            _measure_waking(measured)
            for kind in databases.kinds:
                settings = databases.settings(kind)
                with idle_worker(root / "idle" / f"{kind}{number}", settings) as pid:
                    time.sleep(_SETTLING_SECONDS)
                    before = _cpu_seconds(pid)
                    time.sleep(_SECONDS)
                    used = _cpu_seconds(pid) - before
                print(
                    f"{kind}  an idle worker: {used / _SECONDS:.2%} of a core "
                    f"(load average {os.getloadavg()[0]:.1f})",
                    file=sys.stderr,
                )
                measured.add(kind, Thing.IDLE, Sample(seconds=_SECONDS, cpu_seconds=used))


def _measure_waking(measured: Measured) -> None:
    _, told = run_job("rest")
    for thing, name in ((Thing.IN_A_ROW, "in_a_row"), (Thing.RESTED, "rested")):
        measured.add(SQLITE, thing, Sample(seconds=told[name], cpu_seconds=0))
        print(f"{thing:60} {told[name] * 1e6:8.0f} us", file=sys.stderr)


def _cpu_seconds(pid: int) -> float:
    """proc(5): the program's name is in brackets, and may hold anything."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")
