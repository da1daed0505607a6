"""What opens an encrypted repository, read from and written to files."""

from pathlib import Path

import pytest

from telamon.errors import ConfigurationError
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.secret_files import read_secret, write_key_file
from tests.repository.samples import counting_bytes

KEY = counting_bytes(32)


def file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_without_a_file_there_is_no_secret() -> None:
    assert read_secret() is None


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (b"correct horse\n", "correct horse"),
        (b"correct horse", "correct horse"),
        (b"correct horse\r\n", "correct horse"),
        (b"first\nsecond\n", "first"),
        (b" with spaces \n", " with spaces "),
        ("Käsebrot\n".encode(), "Käsebrot"),
    ],
)
def test_a_passphrase_is_the_first_line_as_it_stands(
    tmp_path: Path, content: bytes, passphrase: str
) -> None:
    found = read_secret(passphrase_file=file(tmp_path, content))

    assert found == RepositorySecret(kind=SecretKind.PASSPHRASE, value=passphrase.encode())


@pytest.mark.parametrize(
    "text", [KEY.hex(), f"{KEY.hex()}\n", f"{KEY.hex().upper()}\r\n"], ids=["bare", "line", "upper"]
)
def test_a_key_is_hexadecimal(tmp_path: Path, text: str) -> None:
    found = read_secret(key_file=file(tmp_path, text.encode()))

    assert found == RepositorySecret(kind=SecretKind.KEY_FILE, value=KEY)


@pytest.mark.parametrize(
    "content",
    [b"", KEY, KEY.hex()[:-2].encode(), KEY.hex().encode() * 2, b"x" * 64, b"\xff" * 64],
    ids=["empty", "binary", "short", "long", "no digits", "no text"],
)
def test_anything_else_is_no_key(tmp_path: Path, content: bytes) -> None:
    path = file(tmp_path, content)

    with pytest.raises(ConfigurationError) as refused:
        read_secret(key_file=path)

    assert refused.value.message == (
        f"The key file {path} must hold 64 hexadecimal digits and nothing else."
    )


@pytest.mark.parametrize(
    ("content", "harm"),
    [
        (b"", "has an empty first line"),
        (b"\nsecond\n", "has an empty first line"),
        (b"  \n", "has an empty first line"),
        (b"\xff\xfe\n", "is not UTF-8"),
    ],
)
def test_anything_else_is_no_passphrase(tmp_path: Path, content: bytes, harm: str) -> None:
    path = file(tmp_path, content)

    with pytest.raises(ConfigurationError) as refused:
        read_secret(passphrase_file=path)

    assert refused.value.message == f"The passphrase file {path} {harm}."


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
@pytest.mark.parametrize("option", ["passphrase_file", "key_file"])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int, option: str) -> None:
    path = file(tmp_path, KEY.hex().encode(), mode)

    with pytest.raises(ConfigurationError, match="can be read by others: chmod 600 it"):
        read_secret(**{option: path})


@pytest.mark.parametrize("option", ["passphrase_file", "key_file"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/none cannot be read: No such file"):
        read_secret(**{option: tmp_path / "none"})


def test_two_secrets_are_one_too_many(tmp_path: Path) -> None:
    path = file(tmp_path, KEY.hex().encode())

    with pytest.raises(ConfigurationError, match="not with both"):
        read_secret(passphrase_file=path, key_file=path)


def test_a_key_file_that_is_made_is_for_its_owner_and_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "key"

    made = write_key_file(path, counting_bytes)

    assert path.stat().st_mode & 0o777 == 0o600
    assert (
        read_secret(key_file=path) == made == RepositorySecret(kind=SecretKind.KEY_FILE, value=KEY)
    )


def test_no_key_file_is_overwritten(tmp_path: Path) -> None:
    path = file(tmp_path, b"another key")

    with pytest.raises(ConfigurationError, match="cannot be made: File exists"):
        write_key_file(path, counting_bytes)

    assert path.read_bytes() == b"another key"


def test_a_secret_is_in_no_message(tmp_path: Path) -> None:
    path = file(tmp_path, KEY.hex()[:-2].encode())

    with pytest.raises(ConfigurationError) as refused:
        read_secret(key_file=path)

    assert KEY.hex()[:16] not in refused.value.message
    made = write_key_file(tmp_path / "key", counting_bytes)
    assert "x01" not in repr(made)
    assert KEY.hex() not in repr(made)
