"""The snapshot repository: chunks, packs, manifests.

Chunk
    Whole documents of one namespace in natural order, named by a keyed hash of their bytes.
Pack
    Many chunks in one blob, with an index of them at its end.
Manifest
    All that one snapshot consists of. A snapshot exists if and only if its manifest does.

The format is docs/repository-format.md. This package knows BSON's framing, not MongoDB.
"""
