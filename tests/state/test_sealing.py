"""Secrets at rest, and the key they are sealed with."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.errors import ConfigurationError, SecretUnreadable
from telamon.state.sealing import Sealer, create_master_key, read_master_key

KEY = bytes(range(32))
PLACE = "api_key:ha1:1"
SEALER = Sealer(KEY)


@given(st.binary(max_size=200), st.text(max_size=50).filter(lambda text: text.isprintable()))
def test_what_was_sealed_opens_in_its_place(value: bytes, place: str) -> None:
    assert SEALER.open(SEALER.seal(value, place=place), place=place) == value


def test_a_sealed_value_is_a_key_id_a_nonce_and_an_encrypted_value_with_its_tag() -> None:
    sealed = SEALER.seal(b"secret", place=PLACE)

    assert sealed[0] == 1
    assert len(sealed) == 1 + 12 + 6 + 16
    assert b"secret" not in sealed


def test_the_same_value_is_sealed_differently_each_time() -> None:
    assert SEALER.seal(b"secret", place=PLACE) != SEALER.seal(b"secret", place=PLACE)


def test_a_value_that_was_moved_to_another_row_does_not_open() -> None:
    sealed = SEALER.seal(b"secret", place=PLACE)

    with pytest.raises(SecretUnreadable) as caught:
        SEALER.open(sealed, place="api_key:ha1:2")

    assert caught.value.message == (
        "The sealed value api_key:ha1:2 cannot be opened: the master key is not the one it was "
        "sealed with, or the row was changed."
    )


def test_a_value_with_any_byte_changed_does_not_open() -> None:
    sealed = SEALER.seal(b"secret", place=PLACE)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SecretUnreadable):
            SEALER.open(bytes(changed), place=PLACE)


def test_a_value_that_was_cut_off_anywhere_does_not_open() -> None:
    sealed = SEALER.seal(b"secret", place=PLACE)
    for length in range(len(sealed)):
        with pytest.raises(SecretUnreadable):
            SEALER.open(sealed[:length], place=PLACE)


def test_another_master_key_does_not_open_it() -> None:
    sealed = SEALER.seal(b"secret", place=PLACE)

    with pytest.raises(SecretUnreadable):
        Sealer(bytes(32)).open(sealed, place=PLACE)


def test_each_purpose_has_a_key_of_its_own_that_stays_the_same() -> None:
    first, second = SEALER.derive("one"), SEALER.derive("two")

    assert len(first) == 32
    assert len({first, second, KEY}) == 3
    assert Sealer(KEY).derive("one") == first
    assert Sealer(bytes(32)).derive("one") != first


def test_the_master_key_is_in_no_repr() -> None:
    assert repr(KEY) not in repr(SEALER)
    assert KEY.hex() not in repr(SEALER)


def test_a_new_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "master.key"

    create_master_key(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_master_key(path)) == 32
    assert [entry.name for entry in tmp_path.iterdir()] == ["master.key"]


def test_a_key_file_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    create_master_key(path)
    before = path.read_bytes()

    create_master_key(path)

    assert path.read_bytes() == before


def test_callers_who_make_a_key_file_at_once_find_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    barrier = Barrier(8)

    def make(_thread: int) -> bytes:
        barrier.wait()
        create_master_key(path)
        return read_master_key(path)

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(make, range(8)))

    assert len(keys) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["master.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644])
def test_a_key_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    create_master_key(path)
    path.chmod(mode)

    with pytest.raises(ConfigurationError) as caught:
        read_master_key(path)

    assert caught.value.message == (
        f"The master key file {path} can be read by others: chmod 600 it."
    )


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_file_of_the_wrong_length_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "master.key"
    path.touch(mode=0o600)
    path.write_bytes(bytes(length))

    with pytest.raises(ConfigurationError) as caught:
        read_master_key(path)

    assert caught.value.message == (
        f"The master key file {path} has {length} bytes; it must have 32."
    )


def test_a_missing_key_file_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_master_key(tmp_path / "master.key")

    assert caught.value.message == (
        f"The master key file {tmp_path}/master.key cannot be read: No such file or directory."
    )
