"""Measure Telamon beside mongodump and mongorestore; write benchmarks/results.md.

Each data set (benchmarks/datasets.py) has a deployment of its own and is run in rounds
(benchmarks/rounds.py). The goals are in benchmarks/goals.py. A run of 256 MB and 3 rounds takes about
10 minutes on two cores.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from benchmarks.api import measure_api
from benchmarks.datasets import DATA_SETS, DataSet
from benchmarks.deployment import deployment
from benchmarks.history import measure_history
from benchmarks.idle import measure_idle
from benchmarks.measured import Measured
from benchmarks.peer import Peers, find_peers
from benchmarks.processes import run_job
from benchmarks.report import Conditions, report
from benchmarks.rounds import Group, Rounds

RESULTS = Path(__file__).parent / "results.md"


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--size-mb", type=int, default=256, help="of each data set")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument(
        "--only", type=_groups, default=list(Group), help=f"some of {','.join(Group)}"
    )
    arguments.add_argument("--data", type=_data_sets, default=DATA_SETS, help="some of A,B,C")
    arguments.add_argument("--output", type=Path, default=RESULTS)
    chosen = arguments.parse_args()
    signal.signal(signal.SIGTERM, _end)
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="telamon-bench-") as folder:
        root = Path(folder)
        peers = find_peers(root)
        sizes: dict[DataSet, int] = {}
        if Group.API in chosen.only:
            measure_api(root, chosen.rounds, measured)
        if Group.IDLE in chosen.only:
            measure_idle(root, chosen.rounds, measured)
        if Group.HISTORY in chosen.only:
            measure_history(root, chosen.rounds, measured)
        if set(chosen.only) - {Group.API, Group.IDLE, Group.HISTORY}:
            for data_set in chosen.data:
                wanted_bytes = chosen.size_mb * 1024 * 1024
                sizes[data_set] = measure_data_set(
                    root,
                    data_set,
                    wanted_bytes,
                    peers=peers,
                    groups=chosen.only,
                    rounds=chosen.rounds,
                    measured=measured,
                )
    conditions = Conditions(peers=peers, rounds=chosen.rounds, sizes=sizes)
    chosen.output.write_text(report(measured, conditions))
    print(chosen.output.read_text())


def measure_data_set(
    root: Path,
    data_set: DataSet,
    wanted_bytes: int,
    *,
    peers: Peers,
    groups: Sequence[Group],
    rounds: int,
    measured: Measured,
) -> int:
    """All rounds on deployments that are made for it; returns the bytes of the documents."""
    with (
        tempfile.TemporaryDirectory(dir=root) as folder,
        deployment(Path(folder) / "source") as source,
        deployment(Path(folder) / "target") as target,
    ):
        print(f"{data_set.letter}  loading", file=sys.stderr)
        collection = ("--collection", data_set.name)
        # In another process: what is measured must not be started by one that has grown large.
        loaded, _ = run_job(
            "load", "--uri", source.uri, *collection, "--size-bytes", str(wanted_bytes)
        )
        source.checkpoint()
        source.warm_up(data_set.name)
        work = Path(folder) / "work"
        work.mkdir()
        Rounds(
            work,
            data_set,
            source=source,
            target=target,
            peers=peers,
            groups=groups,
            measured=measured,
        ).run(rounds)
        return loaded.bytes


def _groups(text: str) -> list[Group]:
    return [Group(name) for name in text.split(",")]


def _data_sets(text: str) -> list[DataSet]:
    return [one for one in DATA_SETS if one.letter in text.upper().split(",")]


def _end(_signal: int, _frame: FrameType | None) -> None:
    """A termination leaves by the same way as Ctrl-C: through every block that cleans up."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
