"""Processes that are measured: their time, the processor time they used, their peak memory."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of one thing."""

    seconds: float
    cpu_seconds: float
    bytes: int = 0
    """Stored, written or read, as the thing is."""
    peak_bytes: int = 0
    """0: not known."""


def run_pipe(commands: Sequence[Sequence[str]], output: Path | None) -> Sample:
    """Run programs, each reading what the one before writes; the last writes to ``output``.

    None drops it. Processor time is that of all of them together, memory that of the largest.
    Nothing of them is left running, however this ends. Raises CalledProcessError.
    """
    running: list[subprocess.Popen[bytes]] = []
    started = time.perf_counter()
    with ExitStack() as stack:
        stack.callback(_end_all, running)
        sink = stack.enter_context((output or Path(os.devnull)).open("wb"))
        for number, command in enumerate(commands):
            last = number == len(commands) - 1
            running.append(
                subprocess.Popen(
                    command,
                    stdin=running[-1].stdout if running else subprocess.DEVNULL,
                    stdout=sink if last else subprocess.PIPE,
                )
            )
        for process in running[:-1]:
            assert process.stdout is not None
            process.stdout.close()  # the reader's alone, so that the writer notices its end
        ended = [_wait(process) for process in running]
        seconds = time.perf_counter() - started
    return Sample(
        seconds=seconds,
        cpu_seconds=sum(cpu_seconds for cpu_seconds, _ in ended),
        bytes=output.stat().st_size if output is not None else 0,
        peak_bytes=max(peak for _, peak in ended),
    )


def run_job(*arguments: str) -> tuple[Sample, dict[str, Any]]:
    """Run ``python -m benchmarks.job``; what it measured of itself, and all that it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.job", *arguments], stdout=subprocess.PIPE
    )
    try:
        output, _ = process.communicate()
    finally:
        _end_all([process])
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    said: dict[str, Any] = json.loads(output)
    sample = Sample(
        seconds=said["seconds"],
        cpu_seconds=said["cpu_seconds"],
        bytes=said.get("bytes", 0),
        peak_bytes=said["peak_bytes"],
    )
    return sample, said


def _wait(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    # The kernel counts what this process had when it forked, too; below that nothing is known.
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = usage.ru_maxrss * 1024 if usage.ru_maxrss > floor else 0
    return usage.ru_utime + usage.ru_stime, peak_bytes


def _end_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.returncode is None:
            process.kill()
            process.wait()
