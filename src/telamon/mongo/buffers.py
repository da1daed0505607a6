"""How the C library deals with the large buffers that documents are read into."""

import ctypes

_TRIM_THRESHOLD = -1  # names of glibc's malloc.h
_MMAP_THRESHOLD = -3
_ARENA_MAX = -8
_KEPT_BYTES = 1 << 30
_ARENAS = 2  # else each thread keeps buffers of its own


def keep_large_buffers() -> None:
    """Let freed buffers be used again instead of going back to the system, in this whole process.

    By default glibc maps every batch of some megabytes anew and unmaps it when it is freed: a page
    fault for each 4 KiB of every document read, which takes longer than reading it. Does nothing
    where the C library is another one. May be called again; best before there are other threads.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_ARENA_MAX, _ARENAS)
    mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
