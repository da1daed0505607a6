"""What a collection holds, in one number, whatever the order: to compare what is at two places."""

from xxhash import xxh3_128_intdigest

from telamon.mongo.elements import document_end

_MODULUS = 1 << 128


class ContentSum:
    """The sum modulo 2^128 of XXH3-128 of each document's bytes, with their number and length.

    A sum and no exclusive or, by which two equal documents would be none. It finds what went wrong;
    who can choose documents can make two collections of one sum.
    """

    def __init__(self) -> None:
        self.documents = 0
        self.size_bytes = 0
        self._sum = 0

    def add(self, documents: bytes) -> None:
        """Whole documents, one after the other. Raises MalformedBson for anything else."""
        view = memoryview(documents)
        start, size = 0, len(documents)
        total = count = 0
        while start < size:
            end = document_end(documents, start)
            total += xxh3_128_intdigest(view[start:end])
            count += 1
            start = end
        self.documents += count
        self.size_bytes += size
        self._sum = (self._sum + total) % _MODULUS

    @property
    def hexdigest(self) -> str:
        """32 digits; all zero where there is no document."""
        return f"{self._sum:032x}"
