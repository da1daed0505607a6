"""What a blob of one kind begins with: magic, version and a hash of all that follows.

The version tells whether the rest is sealed. docs/repository-format.md has the byte tables.
"""

import struct
from dataclasses import dataclass

from blake3 import blake3

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.cipher import Cipher

_PLAIN = 1
_ENCRYPTED = 2
_FRAME = struct.Struct("<8sI32s")
_FRAME_FACTS = struct.Struct("<8sI")


@dataclass(frozen=True, slots=True)
class Frame:
    """``magic`` is 8 bytes, of one kind of blob."""

    magic: bytes

    def encode(self, key: str, payload: bytes, cipher: Cipher | None) -> bytes:
        """The blob that is stored under ``key``; its payload is sealed if there is a ``cipher``."""
        version = _PLAIN
        if cipher is not None:
            payload = cipher.seal(payload, key.encode())
            version = _ENCRYPTED
        return _FRAME.pack(self.magic, version, self._digest(version, payload)) + payload

    def decode(self, what: str, key: str, blob: bytes, cipher: Cipher | None) -> bytes:
        """The payload. ``what`` names the blob at the beginning of an error's sentence.

        Raises ``IntegrityError`` if a bit of it differs or it belongs under another key,
        ``UnknownFormat`` for an unharmed one of a later version.
        """
        if len(blob) < _FRAME.size:
            raise damaged(what, "it is too short")
        magic, version, digest = _FRAME.unpack_from(blob)
        payload = blob[_FRAME.size :]
        if magic != self.magic or digest != self._digest(version, payload):
            raise damaged(what, "its hash does not match")
        if version not in (_PLAIN, _ENCRYPTED):
            raise UnknownFormat(
                f"{what} has format version {version}, which this version does not know."
            )
        if (version == _ENCRYPTED) != (cipher is not None):
            raise damaged(what, "it is encrypted where its repository is not, or not where it is")
        if cipher is None:
            return payload
        try:
            return cipher.open(payload, key.encode())
        except IntegrityError as error:
            raise damaged(what, error.message) from error

    def _digest(self, version: int, payload: bytes) -> bytes:
        return blake3(_FRAME_FACTS.pack(self.magic, version)).update(payload).digest()


def damaged(what: str, harm: str) -> IntegrityError:
    return IntegrityError(f"{what} is damaged: {harm}.")
