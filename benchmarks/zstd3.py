"""``zstd -3 -c`` for machines that do not have the program: standard input to standard output."""

import sys

import zstandard

if __name__ == "__main__":
    zstandard.ZstdCompressor(level=3).copy_stream(sys.stdin.buffer, sys.stdout.buffer)
