"""Reports that are signed, altered, and signed by somebody else."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from telamon.errors import (
    ConfigurationError,
    ReportAltered,
    ReportUnreadable,
    TelamonError,
    WrongReportKey,
)
from telamon.model.drill_report import canonical
from telamon.operations.drill_signing import PURPOSE, DrillKey, DrillPublicKey, check
from telamon.state.sealing import Sealer
from tests.drills import report

KEY = DrillKey(bytes(32))
OTHER = DrillKey(bytes(31) + b"\x01")
SIGNED = KEY.sign(report())


def changed(**members: Any) -> bytes:
    return json.dumps({**json.loads(SIGNED), **members}).encode()


def test_a_signed_report_is_read_back() -> None:
    found = check(SIGNED, KEY.public)

    assert found.key == KEY.public
    assert found.fields == json.loads(canonical(report().fields()))
    assert canonical(json.loads(SIGNED)) == SIGNED


def test_without_a_key_it_is_checked_by_its_own() -> None:
    assert check(OTHER.sign(report())).key == OTHER.public


def test_white_space_and_order_do_not_matter() -> None:
    found = json.loads(SIGNED)
    spread = json.dumps(dict(reversed(found.items())), indent=2)

    assert check(spread.encode(), KEY.public).fields == found["report"]


@pytest.mark.parametrize("name", sorted(report().fields()))
def test_any_value_that_is_changed_makes_it_another_report(name: str) -> None:
    fields = json.loads(SIGNED)["report"]

    with pytest.raises(ReportAltered):
        check(changed(report={**fields, name: "another"}), KEY.public)
    with pytest.raises(ReportAltered):
        check(changed(report={key: fields[key] for key in fields if key != name}), KEY.public)


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, change: int) -> None:
    altered = bytearray(SIGNED)
    altered[place] ^= change

    with pytest.raises((ReportAltered, ReportUnreadable)):
        check(bytes(altered), KEY.public)


def test_who_changes_it_and_signs_it_anew_has_another_key() -> None:
    with pytest.raises(WrongReportKey) as caught:
        check(OTHER.sign(report(reason="it was never done")), KEY.public)

    assert caught.value.parameters == (OTHER.public.id, KEY.public.id)


def test_the_name_of_the_right_key_does_not_make_it_right() -> None:
    forged = json.loads(OTHER.sign(report()))
    for member in ("keyId", "publicKey"):
        forged[member] = json.loads(SIGNED)[member]

    with pytest.raises(ReportAltered):
        check(json.dumps(forged).encode(), KEY.public)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        SIGNED.replace(b'"keyId"', b'"keyID"'),
        SIGNED[:-1] + b',"more":1}',
        SIGNED.replace(b'"report":{', b'"report":{},"report":{'),
        changed(report=[]),
    ],
)
def test_what_is_no_signed_report(data: bytes) -> None:
    with pytest.raises(ReportUnreadable):
        check(data, KEY.public)


@pytest.mark.parametrize("value", [None, 1, "", "%", "AA", base64.b64encode(b"short").decode()])
def test_a_signature_or_key_that_is_none(value: object) -> None:
    for member in ("signature", "publicKey"):
        with pytest.raises(ReportAltered):
            check(changed(**{member: value}), KEY.public)


def test_a_key_is_written_and_read_as_pem() -> None:
    assert DrillPublicKey.of_pem(KEY.public.pem.encode()) == KEY.public


def test_other_keys_are_refused() -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = curve.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    for data in (b"", b"nonsense", pem):
        with pytest.raises(ConfigurationError):
            DrillPublicKey.of_pem(data)


def test_all_who_share_a_master_key_sign_with_one_key() -> None:
    keys = [DrillKey(Sealer(bytes(32)).derive(PURPOSE)).public for _ in range(2)]

    assert keys[0] == keys[1]
    assert keys[0] != DrillKey(Sealer(b"\x01" * 32).derive(PURPOSE)).public


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
def test_openssl_finds_the_signature_good(tmp_path: Path) -> None:
    """So nobody needs this program to check a report."""
    signed = json.loads(SIGNED)
    (tmp_path / "report").write_bytes(canonical(signed["report"]))
    (tmp_path / "signature").write_bytes(base64.b64decode(signed["signature"]))
    (tmp_path / "key.pem").write_text(KEY.public.pem)

    done = subprocess.run(
        [
            *("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin"),
            *("-in", "report", "-sigfile", "signature"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_an_error_of_a_check_ends_a_command_as_damage_does() -> None:
    kinds: list[type[TelamonError]] = [ReportAltered, ReportUnreadable, WrongReportKey]

    assert {kind.exit_code for kind in kinds} == {90}
