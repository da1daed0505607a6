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
import ctypes, sys, threading
from telamon.mongo.buffers import keep_large_buffers

if sys.argv[1] == "kept":
    keep_large_buffers()
used = threading.Barrier(9)

def use() -> None:
    bytearray(1 << 20)
    used.wait()  # none ends, and leaves its arena to another, before all have one

for _ in range(8):
    threading.Thread(target=use).start()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
out = libc.fopen(b"/dev/stdout", b"w")
used.wait()
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fclose(ctypes.c_void_p(out))
"""


def arenas(how: str) -> int:
    """Of a process with nine threads, as glibc's malloc_info counts them."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS, how], capture_output=True, check=True, text=True
    )
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
def test_threads_share_what_is_kept() -> None:
    """Instead of keeping buffers for each of them."""
    assert arenas("as usual") > 2
    assert arenas("kept") == 2
