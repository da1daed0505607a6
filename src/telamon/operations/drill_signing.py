"""Reports of drills, signed (Ed25519, RFC 8032) and checked: both without any database or network.

A signed report is one JSON object::

    keyId      the first 32 hexadecimal digits of SHA-256 of the public key
    publicKey  base64 of its 32 bytes
    report     the evidence
    signature  base64 of the signature of the canonical bytes of ``report``

Who changes white space or the order of keys has changed nothing; any value is another report.
"""

import base64
import binascii
import contextlib
import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from telamon.errors import ConfigurationError, ReportAltered, ReportUnreadable, WrongReportKey
from telamon.model.drill_report import FORMAT_VERSION, DrillReport, canonical, read_json

PURPOSE = "drill reports"
"""By which the key is derived from the master key: it is the same for all who share that."""

_KEY_ID_DIGITS = 32
_MEMBERS = {"keyId", "publicKey", "report", "signature"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPublicKey:
    """By which everybody can check reports."""

    raw: bytes

    @property
    def id(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()[:_KEY_ID_DIGITS]

    @property
    def pem(self) -> str:
        """As other programs read it."""
        return (
            Ed25519PublicKey.from_public_bytes(self.raw)
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    @classmethod
    def of_pem(cls, pem: bytes) -> "DrillPublicKey":
        """Raises ConfigurationError for anything but an Ed25519 public key."""
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, TypeError) as error:
            raise ConfigurationError("The key file holds no public key in PEM format.") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigurationError("The key file holds a key of another kind than Ed25519.")
        return cls(raw=key.public_bytes_raw())


class DrillKey:
    """The private key, of a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public(self) -> DrillPublicKey:
        return DrillPublicKey(raw=self._key.public_key().public_bytes_raw())

    def sign(self, report: DrillReport) -> bytes:
        """The signed report, itself in canonical bytes."""
        fields = report.fields()
        signature = self._key.sign(canonical(fields))
        return canonical(
            {
                "keyId": self.public.id,
                "publicKey": base64.b64encode(self.public.raw).decode(),
                "report": fields,
                "signature": base64.b64encode(signature).decode(),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedReport:
    """A report that is as it was when the owner of ``key`` signed it."""

    key: DrillPublicKey
    fields: dict[str, Any]


def check(data: bytes, expected: DrillPublicKey | None = None) -> CheckedReport:
    """What a signed report says, if nobody has changed it since.

    Without an ``expected`` key, the one within: then it may be anybody's report. Raises
    ReportUnreadable for what is no signed report; ReportAltered; WrongReportKey for one that is
    signed by another key than expected.
    """
    key, fields, signature = _opened(data)
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, canonical(fields))
    except (InvalidSignature, ValueError) as error:
        raise ReportAltered("It is not what was signed.") from error
    if expected is not None and expected != key:
        raise WrongReportKey(key.id, expected.id)
    if fields.get("formatVersion") != FORMAT_VERSION:
        raise ReportUnreadable("It is of a format that this version does not know.")
    return CheckedReport(key=key, fields=fields)


def _opened(data: bytes) -> tuple[DrillPublicKey, dict[str, Any], bytes]:
    found = read_json(data)
    if not isinstance(found, dict) or set(found) != _MEMBERS:
        raise ReportUnreadable(f"It has not the members {', '.join(sorted(_MEMBERS))}.")
    if not isinstance(found["report"], dict):
        raise ReportUnreadable("There is no object in it as report.")
    key = DrillPublicKey(raw=_decoded(found["publicKey"]))
    if found["keyId"] != key.id:
        raise ReportAltered("Its keyId is not that of its publicKey.")
    return key, found["report"], _decoded(found["signature"])


def _decoded(value: object) -> bytes:
    """Of the one spelling that these bytes have."""
    text = value if isinstance(value, str) else ""
    with contextlib.suppress(binascii.Error, ValueError):
        decoded = base64.b64decode(text, validate=True)
        if decoded and base64.b64encode(decoded).decode() == text:
            return decoded
    raise ReportAltered("Its key or signature is no base64.")
