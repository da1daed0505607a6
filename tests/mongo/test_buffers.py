"""Large buffers are used again instead of being mapped anew."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from telamon.mongo.buffers import keep_large_buffers

if sys.argv[1] == "kept":
    keep_large_buffers()
    keep_large_buffers()
for _ in range(20):
    bytearray(4 << 20)[:] = bytes(4 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    bytearray(4 << 20)[:] = bytes(4 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    """Of twenty times two buffers of 4 MiB, which are 1,024 pages each."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, check=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
def test_buffers_are_mapped_once() -> None:
    assert page_faults("kept") < page_faults("as usual") / 4


THREADS = """
import resource, threading
from telamon.mongo.buffers import keep_large_buffers

keep_large_buffers()
turn, used = threading.Lock(), threading.Barrier(9)

def use() -> None:
    with turn:
        bytearray(16 << 20)
    used.wait()  # none ends, and leaves what it has to the next, before all have used theirs

for _ in range(8):
    threading.Thread(target=use).start()
used.wait()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
def test_threads_that_take_turns_share_what_is_kept() -> None:
    """Eight with 16 MiB each, of which one is in use at a time."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, check=True, text=True
    )
    assert int(done.stdout) < 80
