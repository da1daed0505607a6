"""What obstore raises, in Telamon's words.

An answer of the store may repeat the request it refuses, session token included, in several
spellings. So no part of its body but the code is ever shown or kept.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from obstore.exceptions import BaseError

from telamon.blobs.address import S3Address
from telamon.blobs.base import BlobNotFound
from telamon.errors import Unavailable

T = TypeVar("T")

RAISED_BY_OBSTORE: Final = (BaseError, OSError)
"""Every class of error that a request ends with."""

CONFLICT: Final = 409
RANGE_BEYOND_END: Final = 416

_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})[^:\n]*")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_DETAILS = "\n\nDebug source:"
_CONNECTION = "reqwest::Error"
_REDIRECT = "Received redirect"
_SYSTEM_MESSAGE = re.compile(r'(?:message|error): "([^"]+)"')

_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_RIGHTS = (
    "the key may not do that; it needs s3:ListBucket on the bucket, and s3:GetObject, "
    "s3:PutObject and s3:DeleteObject on what is in it"
)
_CLOCK = (
    "the clock of this machine and the store's are too far apart for it to trust a signature; "
    "set the clock that is wrong"
)
_REGION = "the bucket is in another region; name it in the URL, as in ?region=eu-west-1"
_EXPIRED = f"the keys have expired; set {_KEYS} and AWS_SESSION_TOKEN anew"
_FULL = "the store has no room left"

_REFUSALS: dict[str, str] = {
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "InvalidAccessKeyId": f"the store does not know the access key; check {_KEYS}",
    "SignatureDoesNotMatch": f"the store does not accept the signature; check {_KEYS}",
    "ExpiredToken": _EXPIRED,
    "InvalidToken": _EXPIRED,
    "NoSuchBucket": "there is no such bucket; create it first, or correct the URL",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IncorrectEndpoint": _REGION,
    "QuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
}
_REFUSED_STATUS: dict[int, str] = {401: _RIGHTS, 403: _RIGHTS, 507: _FULL}


class StoreRefused(Unavailable):
    """The store answers, and will refuse until a person changes something."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store said; None and "" where no answer came or had none."""

    status: int | None
    code: str


def answer_of(error: Exception) -> Answer:
    told = _told(error)
    status = _STATUS.search(told)
    code = _CODE.search(told) if status is not None else None
    return Answer(
        None if status is None else int(status[1]),
        "" if code is None else code[1],
    )


def ask(call: Callable[[], T], verb: str, key: str, address: S3Address) -> T:
    """What ``call`` answers.

    Raises BlobNotFound, StoreRefused or Unavailable for what obstore raises. The error's cause
    is one of the same class, with its text up to the body of the answer.
    """
    try:
        return call()
    except RAISED_BY_OBSTORE as error:
        failure = _failure(error, verb, key, address)
        cause = type(error)(_without_body(error))
    # Not in the handler: there the error with the whole body would become the context.
    raise failure from cause


def _failure(error: Exception, verb: str, key: str, address: S3Address) -> Exception:
    answer = answer_of(error)
    if answer.code == "NoSuchKey":
        return BlobNotFound(key)
    sentence = f"Cannot {verb} {address}/{key}: "
    refusal = _refusal(answer, error)
    if refusal:
        return StoreRefused(f"{sentence}{refusal}.")
    if answer.status is not None:
        said = f"{answer.status} {answer.code}".rstrip()
        return Unavailable(f"{sentence}{address.endpoint} answered {said}.")
    return Unavailable(f"{sentence}{address.endpoint} {_lack_of_answer(error)}.")


def _refusal(answer: Answer, error: Exception) -> str:
    if answer.code in _REFUSALS:
        return _REFUSALS[answer.code]
    if _REDIRECT in _told(error):
        return _REGION
    return _REFUSED_STATUS.get(answer.status or 0, "")


def _lack_of_answer(error: Exception) -> str:
    details = str(error).partition(_DETAILS)[2]
    if _CONNECTION not in details:
        return "sends answers that make no sense"
    if "InvalidCertificate" in details:
        return "does not answer: its certificate is not one that this machine trusts"
    if "kind: Timeout" in details or "TimedOut" in details:
        return "does not answer: the time for a request ran out"
    message = _SYSTEM_MESSAGE.search(details)
    return f"does not answer: {'the connection broke' if message is None else message[1]}"


def _told(error: Exception) -> str:
    return str(error).partition(_DETAILS)[0]


def _without_body(error: Exception) -> str:
    status = _STATUS.search(str(error))
    return str(error) if status is None else str(error)[: status.end()]
