"""What the real mongodump and mongorestore were once measured to need, to judge the stand-ins by.

mongo-tools 100.18.0 and mongod 6.0.5 on another machine of two cores, with other data of the same
kinds (935 bytes of text, 126 bytes, 100 KB random): seconds of processor time of the client for
each GB (10**9 bytes) of documents. The restores wrote with ``w: 1``; the stand-in waits for a
majority, as mongorestore does when it is told nothing, which costs the client no processor time.
"""

from benchmarks.measured import Thing

CPU_SECONDS_PER_GB: dict[tuple[str, Thing], float] = {
    ("A", Thing.DUMP): 2.4,
    ("B", Thing.DUMP): 5.4,
    ("C", Thing.DUMP): 1.7,
    ("A", Thing.DUMP_GZIP): 40.2,
    ("B", Thing.DUMP_GZIP): 49.4,
    ("C", Thing.DUMP_GZIP): 19.4,
    ("A", Thing.DUMP_ZSTD): 11.0,
    ("B", Thing.DUMP_ZSTD): 11.3,
    ("C", Thing.DUMP_ZSTD): 3.7,
    ("A", Thing.MONGORESTORE): 18.2,
    ("B", Thing.MONGORESTORE): 54.6,
}
