"""The config of a repository."""

import json

import pytest
from blake3 import blake3

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.config import RepositoryConfig, decode_config, encode_config
from tests.repository.samples import KEY, SMALL_CUT, flip

CONFIG = RepositoryConfig(
    repository_id="000102030405060708090a0b0c0d0e0f", chunk_key=KEY, cut=SMALL_CUT
)
ENCRYPTED = RepositoryConfig(
    repository_id="000102030405060708090a0b0c0d0e0f", chunk_key=None, cut=SMALL_CUT
)
MEMBERS: dict[str, object] = {
    "format": "telamon-repository",
    "version": 1,
    "repository_id": "000102030405060708090a0b0c0d0e0f",
    "chunk_key": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "cut": {"target_bytes": 1024, "large_target_bytes": 4096, "large_document_bytes": 512},
}


def signed(members: dict[str, object]) -> bytes:
    """A config whose checksum is right, whatever it holds."""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return json.dumps(members | {"checksum": blake3(canonical.encode()).hexdigest()}).encode()


def test_a_config_is_json_for_people_to_read() -> None:
    parsed = json.loads(encode_config(CONFIG))
    assert parsed.pop("checksum") == json.loads(signed(MEMBERS))["checksum"]
    assert parsed == MEMBERS


def test_what_was_encoded_is_decoded() -> None:
    assert decode_config(encode_config(CONFIG)) == CONFIG


def test_the_config_of_an_encrypted_repository_has_no_key() -> None:
    parsed = json.loads(encode_config(ENCRYPTED))
    assert (parsed["version"], parsed["encryption"]) == (2, "AES-256-GCM")
    assert "chunk_key" not in parsed
    assert decode_config(encode_config(ENCRYPTED)) == ENCRYPTED
    assert (ENCRYPTED.encrypted, CONFIG.encrypted) == (True, False)


def test_a_cipher_that_nobody_knows_is_refused() -> None:
    members = MEMBERS | {"version": 2, "encryption": "ROT13"}
    with pytest.raises(IntegrityError, match="lacks what it must hold"):
        decode_config(signed(members))


def test_every_flipped_bit_of_a_value_is_found() -> None:
    """A bit of the white space between values may differ: it says nothing."""
    blob = encode_config(CONFIG)
    for position in range(len(blob)):
        for bit in range(8):
            harmed = flip(blob, position, bit)
            try:
                decoded = decode_config(harmed)
            except IntegrityError:
                continue
            assert decoded == CONFIG


@pytest.mark.parametrize("blob", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b'{"version": 1}'])
def test_garbage_is_damage(blob: bytes) -> None:
    with pytest.raises(IntegrityError, match="The repository's config is damaged"):
        decode_config(blob)


@pytest.mark.parametrize("version", [0, 3, "1", None])
def test_another_version_is_told_from_damage(version: object) -> None:
    with pytest.raises(UnknownFormat) as caught:
        decode_config(signed(MEMBERS | {"version": version}))
    assert caught.value.message == (
        f"The repository's config has format version {version}, which this version does not know."
    )


@pytest.mark.parametrize(
    "change",
    [
        {"chunk_key": "not hexadecimal"},
        {"chunk_key": 5},
        {"chunk_key": "00"},
        {"cut": {"target_bytes": 1024}},
        {"cut": MEMBERS["cut"] | {"more": 1}},  # type: ignore[operator]
        {"cut": {"target_bytes": 0, "large_target_bytes": 1, "large_document_bytes": 1}},
        {"cut": {"target_bytes": "1", "large_target_bytes": 1, "large_document_bytes": 1}},
        {"cut": None},
    ],
)
def test_a_config_that_says_something_else_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match=r"The repository's config (lacks|holds no key)"):
        decode_config(signed(MEMBERS | change))


def test_the_chunk_key_is_in_no_repr() -> None:
    assert repr(CONFIG) == (
        "RepositoryConfig(repository_id='000102030405060708090a0b0c0d0e0f', "
        "cut=CutParameters(target_bytes=1024, large_target_bytes=4096, large_document_bytes=512))"
    )
