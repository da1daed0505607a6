"""Encryption of what a repository stores: AES-256-GCM, a random nonce each time, bound to its place.

==========  ======  ===================================================
offset      length  content
==========  ======  ===================================================
0           12      nonce
12          n + 16  ciphertext and tag; the place is the associated data
==========  ======  ===================================================
"""

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telamon.errors import IntegrityError

KEY_BYTES = 32
NONCE_BYTES = 12
SEAL_BYTES = 28
"""What a sealed value has more than the value."""

RandomBytes = Callable[[int], bytes]
"""Gives as many unpredictable bytes as it is asked for."""


class Cipher:
    """Seals and opens under one key of 32 bytes. May be used by any thread.

    Random nonces of 96 bits allow 2**32 values under one key (NIST SP 800-38D section 8.3): a
    petabyte of chunks.
    """

    def __init__(self, key: bytes, random_bytes: RandomBytes) -> None:
        self._aead = AESGCM(key)
        self._random_bytes = random_bytes

    def seal(self, value: bytes, place: bytes) -> bytes:
        """``value`` for ``place``; the same value twice gives different bytes."""
        nonce = self._random_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """What was sealed for ``place``.

        Raises ``IntegrityError`` for bytes that were changed, sealed for another place, or sealed
        under another key; its message is for the caller to complete.
        """
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except (InvalidTag, ValueError) as error:
            raise IntegrityError("it cannot be decrypted") from error
