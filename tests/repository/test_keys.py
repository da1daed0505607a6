"""What opens an encrypted repository."""

import json
from itertools import count

import pytest

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.keys import (
    RepositorySecret,
    SealedKeys,
    SecretKind,
    no_key_opens,
    open_keys,
    seal_keys,
)
from telamon.repository.record import encode_record
from tests.repository.samples import flip

CHUNK_KEY = b"c" * 32
DATA_KEY = b"d" * 32
REPOSITORY_ID = "00112233445566778899aabbccddeeff"
PASSPHRASE = RepositorySecret(kind=SecretKind.PASSPHRASE, value=b"correct horse")
KEY_FILE = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"k" * 32)
_numbers = count(1)


def fresh(length: int) -> bytes:
    return next(_numbers).to_bytes(4, "big") * (length // 4)


def seal(secret: RepositorySecret) -> SealedKeys:
    return seal_keys(CHUNK_KEY, DATA_KEY, secret, REPOSITORY_ID, fresh)


def opened(
    blob: SealedKeys, secret: RepositorySecret, repository_id: str = REPOSITORY_ID
) -> tuple[bytes, bytes] | None:
    return open_keys(blob.key, blob.data, secret, repository_id, fresh)


@pytest.mark.parametrize("secret", [PASSPHRASE, KEY_FILE], ids=["passphrase", "key file"])
def test_the_secret_gets_both_keys_back(secret: RepositorySecret) -> None:
    assert opened(seal(secret), secret) == (CHUNK_KEY, DATA_KEY)


@pytest.mark.parametrize(
    "secret",
    [
        RepositorySecret(kind=SecretKind.PASSPHRASE, value=b"correct hors"),
        RepositorySecret(kind=SecretKind.PASSPHRASE, value=b""),
        KEY_FILE,
        RepositorySecret(kind=SecretKind.KEY_FILE, value=PASSPHRASE.value),
    ],
)
def test_another_secret_gets_nothing(secret: RepositorySecret) -> None:
    assert opened(seal(PASSPHRASE), secret) is None


def test_the_keys_of_another_repository_are_not_taken() -> None:
    assert opened(seal(KEY_FILE), KEY_FILE, "f" * 32) is None


def test_neither_key_nor_secret_is_in_the_blob_or_a_repr() -> None:
    blob = seal(PASSPHRASE)
    for secret in (CHUNK_KEY, DATA_KEY, PASSPHRASE.value):
        assert secret not in blob.data
        assert secret.hex().encode() not in blob.data
    assert "horse" not in repr(PASSPHRASE)
    assert "data" not in repr(blob)


def test_the_same_secret_twice_gives_two_blobs() -> None:
    one, other = seal(KEY_FILE), seal(KEY_FILE)
    assert one.key != other.key
    assert json.loads(one.data)["sealed"] != json.loads(other.data)["sealed"]


def test_a_flipped_bit_is_found_and_named() -> None:
    blob = seal(KEY_FILE)
    position = blob.data.index(b"sealed") + 20
    with pytest.raises(IntegrityError, match=f"The key {blob.key} is damaged"):
        open_keys(blob.key, flip(blob.data, position), KEY_FILE, REPOSITORY_ID, fresh)


def changed(**members: object) -> SealedKeys:
    """A blob whose checksum is right, whatever it holds."""
    whole = json.loads(seal(PASSPHRASE).data)
    del whole["checksum"]
    return SealedKeys(key="keys/x", data=encode_record(whole | members))


@pytest.mark.parametrize(
    "blob",
    [
        changed(salt="not hexadecimal"),
        changed(salt=None),
        changed(sealed=5),
        changed(scrypt={}),
        changed(scrypt={"n": 1 << 30, "r": 8, "p": 1}),
        changed(scrypt={"n": 1 << 16, "r": 8, "p": 0}),
        changed(scrypt={"n": "1", "r": 8, "p": 1}),
    ],
)
def test_a_blob_that_says_something_else_is_refused(blob: SealedKeys) -> None:
    with pytest.raises(IntegrityError, match="keys/x is damaged: it lacks"):
        opened(blob, PASSPHRASE)


def test_a_later_version_is_told_from_damage() -> None:
    with pytest.raises(UnknownFormat, match="keys/x has format version 2"):
        opened(changed(version=2), PASSPHRASE)


def test_the_error_names_the_settings_or_the_secret() -> None:
    assert "TELAMON_REPOSITORY_KEY_FILE" in no_key_opens(None).message
    assert "this passphrase" in no_key_opens(PASSPHRASE).message
    assert "this key file" in no_key_opens(KEY_FILE).message
