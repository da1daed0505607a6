"""Digest: the RFCs' vectors, real clients' signatures, forgeries, and replays."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from requests.auth import HTTPDigestAuth

from telamon.api.digest import (
    Credentials,
    MalformedAuthorization,
    Nonces,
    NonceState,
    Refusal,
    ReplayWindow,
    Verifier,
    challenge,
    expected_response,
    issued_at_seconds,
    matches,
    parse,
    uri_matches,
)
from telamon.model.access import digest_secret

NOW = 1_800_000_000
SECRET = b"an HMAC secret of 32 bytes......"
USERNAME = "gswvkocq"
PASSWORD = "a2b3c4d5-0000-4000-8000-000000000001"
HA1 = "7b2f7a9ae8b2ab0b0d5ba7aa7b2b4f5c"
PATH = "/api/atlas/v1.0/groups"
QUERY = "itemsPerPage=2&pageNum=1"
TARGET = f"{PATH}?{QUERY}"

NONCES = Nonces(SECRET, lambda size: b"\x07" * size)
NONCE = "a0nSAAcHBwcHBwcHAJ3dxyKoUj78Iw0N"

# What curl 7.88.1 sent for NONCE.
CURL = (
    'Digest username="gswvkocq", realm="MMS Public API", nonce="a0nSAAcHBwcHBwcHAJ3dxyKoUj78Iw0N", '
    'uri="/api/atlas/v1.0/groups?itemsPerPage=2&pageNum=1", '
    'cnonce="ODQ4MTNkY2ZmMTdmMzhlNTViODVlNTczOWU4MWQxYjI=", nc=00000001, qop=auth, '
    'response="fea93abcf683b2d0d7e6cc966ac31278", algorithm=MD5'
)


def sign(
    *,
    nonce: str = NONCE,
    uri: str = TARGET,
    method: str = "GET",
    username: str = USERNAME,
    ha1: str = HA1,
    nc: str = "00000001",
    template: str = (
        'Digest username="{username}", realm="MMS Public API", nonce="{nonce}", uri="{uri}", '
        'response="{response}", qop=auth, nc={nc}, cnonce="0a4f113b"'
    ),
) -> str:
    """A client of a few lines, independent of the code under test."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    response = md5(f"{ha1}:{nonce}:{nc}:0a4f113b:auth:{md5(f'{method}:{uri}')}")
    return template.format(username=username, nonce=nonce, uri=uri, response=response, nc=nc)


def verify(
    header: str | None,
    *,
    method: str = "GET",
    path: str = PATH,
    query: str = QUERY,
    now_seconds: int = NOW,
    ha1_of: Callable[[str], str | None] = {USERNAME: HA1}.get,
) -> Credentials | Refusal:
    return Verifier(NONCES).verify(
        header, method=method, path=path, query=query, now_seconds=now_seconds, ha1_of=ha1_of
    )


def username_of(outcome: Credentials | Refusal) -> str:
    assert isinstance(outcome, Credentials)
    return outcome.username


# The RFCs' vectors


def credentials(**changes: str) -> Credentials:
    """Those of RFC 2617 section 3.5."""
    mufasa = Credentials(
        username="Mufasa",
        realm="testrealm@host.com",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        uri="/dir/index.html",
        response="6629fae49393a05397450978507c4ef1",
        qop="auth",
        nc=1,
        nc_text="00000001",
        cnonce="0a4f113b",
        algorithm="MD5",
    )
    return replace(mufasa, **changes)  # type: ignore[arg-type]


def test_the_response_is_that_of_rfc_2617_section_3_5() -> None:
    stored = digest_secret("Mufasa", "Circle Of Life", "testrealm@host.com")

    assert expected_response(stored, credentials(), "GET") == "6629fae49393a05397450978507c4ef1"


def test_the_response_is_that_of_rfc_7616_section_3_9_1() -> None:
    stored = digest_secret("Mufasa", "Circle of Life", "http-auth@example.org")
    claimed = credentials(
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )

    assert expected_response(stored, claimed, "GET") == "8ca523f5e9506fed4657c9700eebdbec"


def test_the_header_of_rfc_2617_section_3_5_parses() -> None:
    header = """Digest username="Mufasa",
                 realm="testrealm@host.com",
                 nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
                 uri="/dir/index.html",
                 qop=auth,
                 nc=00000001,
                 cnonce="0a4f113b",
                 response="6629fae49393a05397450978507c4ef1",
                 opaque="5ccc069c403ebaf9f0171e9517f40e41"
    """
    unfolded = re.sub(r"\s*\n\s*", " ", header)

    assert parse(unfolded) == credentials()


def test_a_response_in_capitals_matches() -> None:
    stored = digest_secret("Mufasa", "Circle Of Life", "testrealm@host.com")
    claimed = credentials(response="6629FAE49393A05397450978507C4EF1")

    assert matches(stored, claimed, "GET")


def test_the_realm_is_that_of_atlas_unless_said_otherwise() -> None:
    assert digest_secret("Mufasa", "Circle Of Life") == "09a8640b378820e4ac5c781e743cb26e"


# Parsing

FIELDS = 'username="u", realm="r", nonce="n", uri="/", qop=auth, nc=0000000a, cnonce="c"'
RESPONSE = "0123456789abcdef0123456789abcdef"
WHOLE = f'Digest {FIELDS}, response="{RESPONSE}"'


def test_nc_is_hexadecimal_and_its_text_is_kept() -> None:
    parsed = parse(WHOLE)

    assert (parsed.nc, parsed.nc_text) == (10, "0000000a")


@pytest.mark.parametrize(
    "algorithm", ["", ', algorithm="MD5"', ", algorithm=MD5"], ids=["absent", "quoted", "bare"]
)
def test_the_algorithm_may_be_quoted_bare_or_absent(algorithm: str) -> None:
    assert parse(WHOLE + algorithm).algorithm == "MD5"


@pytest.mark.parametrize(
    "header",
    [
        f'Digest response="{RESPONSE}",cnonce="c",nc=0000000a,qop=auth,uri="/",nonce="n",realm="r",username="u"',
        f'digest {FIELDS}, RESPONSE="{RESPONSE}"',
        f'  DIGEST \t {FIELDS}\t ,\t response \t= "{RESPONSE}"  ',
        f"Digest , ,{FIELDS},, ,response={RESPONSE} , ",
        f'Digest {FIELDS}, response="{RESPONSE}", opaque="", charset=UTF-8, auth-param="a, b=\\"c\\""',
        f'Digest {FIELDS.replace("qop=auth", chr(34).join(["qop=", "auth", ""]))}, response="{RESPONSE}"',
    ],
    ids=["other order", "other case", "white space", "empty elements", "unknown", "quoted qop"],
)
def test_every_way_to_write_the_same_parameters_parses_alike(header: str) -> None:
    assert parse(header) == parse(WHOLE)


def test_escapes_in_a_quoted_string_are_undone() -> None:
    header = WHOLE.replace('"u"', r'"a\"b\\c\d"')

    assert parse(header).username == r'a"b\cd'


def test_a_comma_and_an_equals_sign_in_quotes_separate_nothing() -> None:
    header = WHOLE.replace('"/"', '"/?a=1,nc=2"')

    assert parse(header).uri == "/?a=1,nc=2"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Digest",
        "Digest ",
        "Basic Z3N3dmtvY3E6c2VjcmV0",
        "Bearer abc",
        "Digest dG9rZW42OA==",
        WHOLE.removeprefix("Digest "),
        WHOLE.replace("Digest ", "Digest"),
        WHOLE.replace("Digest ", "Digests "),
        *[WHOLE.replace(f"{name}=", f"x{name}=") for name in ("username", "realm", "nonce", "uri")],
        *[WHOLE.replace(f"{name}=", f"x{name}=") for name in ("qop", " nc", "cnonce", "response")],
        WHOLE + ', username="v"',
        WHOLE + ', USERNAME="u"',
        WHOLE + ", unknown=1, unknown=1",
        WHOLE.replace(", qop", " qop"),
        WHOLE.replace('="/"', "=/"),
        WHOLE.replace('"n"', '"n'),
        WHOLE.replace('"n"', '"n\n"'),
        WHOLE.replace('"n"', '"n\x00"'),
        WHOLE.replace('"n"', '"\u20ac"'),
        WHOLE.replace('"n"', '"n\\'),
        WHOLE + "\n",
        WHOLE + "; q=1",
        WHOLE.replace("0000000a", "-0000001"),
        WHOLE.replace("0000000a", "0x00000a"),
        WHOLE.replace("0000000a", "0000_00a"),
        WHOLE.replace("0000000a", "10000000a"),
        WHOLE.replace("0000000a", '""'),
        WHOLE.replace(RESPONSE, RESPONSE[:-1]),
        WHOLE.replace(RESPONSE, RESPONSE + "0"),
        WHOLE.replace(RESPONSE, RESPONSE[:-1] + "g"),
        WHOLE + f', pad="{"x" * 20_000}"',
    ],
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(MalformedAuthorization):
        parse(header)


def test_neither_response_nor_cnonce_shows_in_a_repr() -> None:
    shown = repr(credentials())

    assert [word for word in ("6629fae4", "0a4f113b") if word in shown] == []


HEADER_PIECES = st.sampled_from(
    [
        *("Digest ", "digest", "username", "realm", "nonce", "uri", "qop", "nc", "cnonce"),
        *("response", "algorithm", "=", ",", " ", '"', "\\", "\t", "auth", "MD5", "00000001"),
        *(RESPONSE, NONCE, TARGET, "MMS Public API", USERNAME, "\x00", "\xff", "\u0661", "\ud800"),
    ]
)
ANY_HEADER = st.one_of(
    st.text(max_size=60),
    st.text().map("Digest ".__add__),
    st.lists(HEADER_PIECES, max_size=24).map("".join),
)
# A changed byte may fall where it changes nothing that is signed, so only lengths are cut here.
CUT_HEADER = st.builds(
    lambda start, size: CURL[:start] + CURL[start + size :],
    st.integers(0, CURL.index(", algorithm") - 1),
    st.integers(1, 12),
)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(ANY_HEADER)
def test_no_string_makes_the_verifier_raise_or_let_anybody_in(header: str) -> None:
    assert verify(header) is Refusal.INVALID


@settings(max_examples=500, deadline=None)
@given(CUT_HEADER)
def test_a_header_with_a_hole_lets_nobody_in(header: str) -> None:
    assert verify(header) is Refusal.INVALID


@given(st.text(st.characters(max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=40))
def test_any_username_survives_quoting(username: str) -> None:
    quoted = username.replace("\\", "\\\\").replace('"', '\\"')

    assert parse(WHOLE.replace('"u"', f'"{quoted}"')).username == username


# Nonces


def test_a_nonce_is_32_characters_of_base64_that_carry_the_time() -> None:
    nonce = NONCES.issue(NOW)

    assert (nonce, issued_at_seconds(nonce)) == (NONCE, NOW)


def test_a_nonce_has_the_recorded_shape() -> None:
    shape = re.compile(r"[A-Za-z0-9+/]{32}")
    high = Nonces(SECRET, lambda size: b"\xff" * size)

    assert shape.fullmatch(high.issue(2**32 - 1))


@pytest.mark.parametrize(
    ("age_seconds", "state"),
    [
        (0, NonceState.FRESH),
        (300, NonceState.FRESH),
        (301, NonceState.STALE),
        (10**9, NonceState.STALE),
        (-60, NonceState.FRESH),
        (-61, NonceState.FORGED),
    ],
)
def test_a_nonce_lives_300_seconds_and_may_be_60_ahead(age_seconds: int, state: NonceState) -> None:
    assert NONCES.state(NONCE, NOW + age_seconds) is state


def test_another_process_with_the_same_secret_knows_the_nonce() -> None:
    other = Nonces(SECRET, lambda size: b"\x01" * size)

    assert other.state(NONCE, NOW) is NonceState.FRESH


def test_another_secret_does_not_know_the_nonce() -> None:
    other = Nonces(b"another secret of 32 bytes......", lambda size: b"\x07" * size)

    assert other.state(NONCE, NOW) is NonceState.FORGED


@pytest.mark.parametrize("position", range(32))
def test_a_nonce_changed_anywhere_is_forged(position: int) -> None:
    changed = "B" if NONCE[position] == "A" else "A"

    forged = NONCE[:position] + changed + NONCE[position + 1 :]

    assert NONCES.state(forged, NOW) is NonceState.FORGED


@pytest.mark.parametrize(
    "nonce",
    ["", NONCE[:-1], NONCE + "A", NONCE + "====", NONCE + "\n", "-" * 32, "\u0661" * 32, "=" * 32],
)
def test_a_nonce_of_another_shape_is_forged(nonce: str) -> None:
    assert NONCES.state(nonce, NOW) is NonceState.FORGED


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Nonces(b"short", lambda size: b"\x07" * size)


def test_the_secret_shows_in_no_repr() -> None:
    assert "HMAC" not in repr(NONCES) + repr(Verifier(NONCES))


@pytest.mark.parametrize(("stale", "word"), [(False, "false"), (True, "true")])
def test_the_challenge_is_the_recorded_one_to_the_letter(stale: bool, word: str) -> None:
    assert challenge("yLUlAOWLz4gVSAJujSnjXm9eAj+Jw9un", stale=stale) == (
        'Digest realm="MMS Public API", domain="", nonce="yLUlAOWLz4gVSAJujSnjXm9eAj+Jw9un", '
        f'algorithm=MD5, qop="auth", stale={word}'
    )


# The signed uri


@pytest.mark.parametrize(
    ("uri", "path", "query"),
    [
        ("/a?b=1", "/a", "b=1"),
        ("/a", "/a", "b=1"),
        ("/a", "/a", ""),
        ("/a?", "/a", ""),
        ("/a%2Fb?c=%20", "/a%2Fb", "c=%20"),
        ("http://telamon.example/a?b=1", "/a", "b=1"),
        ("HTTPS://telamon.example:8080/a", "/a", "b=1"),
        ("http://telamon.example?b=1", "/", "b=1"),
        ("http://telamon.example", "/", ""),
    ],
)
def test_the_target_its_path_and_its_absolute_form_may_be_signed(
    uri: str, path: str, query: str
) -> None:
    assert uri_matches(uri, path, query)


@pytest.mark.parametrize(
    "uri",
    [
        *("", "/", "/A?b=1", "/a?b=2", "/a?b=1&c", "/a/?b=1", "a?b=1", "?b=1", "*", "/a?"),
        *("/%61?b=1", "/a?b=1#f", "//telamon.example/a?b=1", "ftp://telamon.example/a?b=1"),
        *("http:///a?b=1", "http://telamon.example/b?b=1", "http://telamon.example/x/a?b=1"),
        *("http://telamon.example?/a?b=1", "x/a?b=1"),
    ],
)
def test_a_signature_for_another_target_is_refused(uri: str) -> None:
    assert not uri_matches(uri, "/a", "b=1")


# Clients


@pytest.fixture
def stored() -> Callable[[str], str | None]:
    return {USERNAME: digest_secret(USERNAME, PASSWORD)}.get


def test_curl_is_let_in(stored: Callable[[str], str | None]) -> None:
    assert username_of(verify(CURL, ha1_of=stored)) == USERNAME


def test_httpx_is_let_in_twice_on_one_nonce(stored: Callable[[str], str | None]) -> None:
    auth = httpx.DigestAuth(USERNAME, PASSWORD)
    url = f"http://telamon.example{TARGET}"
    first = httpx.Request("GET", url)
    flow = auth.sync_auth_flow(first)
    next(flow)
    unauthorized = httpx.Response(
        401, headers={"WWW-Authenticate": challenge(NONCE, stale=False)}, request=first
    )
    flow.send(unauthorized)
    second = httpx.Request("GET", url)
    next(auth.sync_auth_flow(second))

    outcomes = [
        verify(request.headers["Authorization"], ha1_of=stored) for request in (first, second)
    ]

    assert [(username_of(it), it.nc) for it in outcomes if isinstance(it, Credentials)] == [
        (USERNAME, 1),
        (USERNAME, 2),
    ]


def test_httpx_signs_again_after_a_stale_challenge(stored: Callable[[str], str | None]) -> None:
    auth = httpx.DigestAuth(USERNAME, PASSWORD)
    request = httpx.Request("POST", f"http://telamon.example{TARGET}")
    flow = auth.sync_auth_flow(request)
    next(flow)
    later = NONCES.issue(NOW + 400)
    headers = {"WWW-Authenticate": challenge(later, stale=True)}
    flow.send(httpx.Response(401, headers=headers, request=request))

    outcome = verify(
        request.headers["Authorization"], method="POST", now_seconds=NOW + 400, ha1_of=stored
    )

    assert username_of(outcome) == USERNAME


def test_the_sixteenth_request_of_requests_on_one_nonce_is_let_in(
    stored: Callable[[str], str | None],
) -> None:
    auth = HTTPDigestAuth(USERNAME, PASSWORD)
    auth.init_per_thread_state()
    fields = requests.utils.parse_dict_header(challenge(NONCE, stale=False).removeprefix("Digest "))
    auth._thread_local.chal = fields
    url = f"http://telamon.example{TARGET}"

    headers = [auth.build_digest_header("GET", url) for _ in range(16)]

    last = verify(headers[-1], ha1_of=stored)
    assert isinstance(last, Credentials)
    assert (last.username, last.nc, last.nc_text) == (USERNAME, 16, "00000010")


def test_a_client_that_signs_the_path_without_the_query_is_let_in() -> None:
    header = sign(
        uri=PATH,
        template=(
            'Digest username="{username}",realm="MMS Public API",nonce="{nonce}",uri="{uri}",'
            'qop="auth",algorithm="MD5",response="{response}",nc="{nc}",cnonce="0a4f113b"'
        ),
    )

    assert username_of(verify(header)) == USERNAME


def test_a_client_that_signs_the_absolute_form_is_let_in() -> None:
    assert username_of(verify(sign(uri=f"https://backup.example{TARGET}"))) == USERNAME


def test_a_client_that_counts_in_decimal_across_nonces_is_let_in_and_never_twice() -> None:
    window = ReplayWindow()
    headers = [sign(nc=f"{count:08d}") for count in (8, 9, 10, 11, 99, 100)]

    outcomes = [verify(header) for header in headers + headers]

    assert [
        window.accept(it.nonce, it.nc, NOW) for it in outcomes if isinstance(it, Credentials)
    ] == [True] * 6 + [False] * 6


# Refusals


def test_no_header_is_invalid() -> None:
    assert verify(None) is Refusal.INVALID


def test_a_right_signature_on_an_old_nonce_is_stale() -> None:
    assert verify(sign(), now_seconds=NOW + 301) is Refusal.STALE


def test_a_wrong_signature_on_an_old_nonce_is_invalid() -> None:
    assert verify(sign(ha1="f" * 32), now_seconds=NOW + 301) is Refusal.INVALID


def test_a_right_signature_on_a_nonce_never_issued_is_invalid() -> None:
    assert verify(sign(nonce="yLUlAOWLz4gVSAJujSnjXm9eAj+Jw9un")) is Refusal.INVALID


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nc=00000001", "nc=00000002"),
        ('cnonce="0a4f113b"', 'cnonce="0a4f113c"'),
        ('username="gswvkocq"', 'username="hjkluiop"'),
        ('realm="MMS Public API"', 'realm="MMS public API"'),
        ("qop=auth", "qop=auth-int"),
        ("qop=auth", "qop=AUTH"),
        ("itemsPerPage=2", "itemsPerPage=3"),
        ('response="', 'response="0'),
        ("qop=auth", "qop=auth, algorithm=SHA-256"),
        ("qop=auth", "qop=auth, algorithm=MD5-sess"),
    ],
)
def test_a_tampered_header_is_invalid(old: str, new: str) -> None:
    known = {USERNAME: HA1, "hjkluiop": "e" * 32}
    header = sign()
    assert old in header

    assert verify(header.replace(old, new), ha1_of=known.get) is Refusal.INVALID


@pytest.mark.parametrize("position", range(32))
def test_a_response_changed_anywhere_is_invalid(position: int) -> None:
    before, response, after = sign().partition(re.findall(r'response="(.*?)"', sign())[0])
    changed = "0" if response[position] != "0" else "1"
    tampered = response[:position] + changed + response[position + 1 :]

    assert verify(before + tampered + after) is Refusal.INVALID


def test_a_signature_for_another_method_is_invalid() -> None:
    assert verify(sign(), method="DELETE") is Refusal.INVALID


def test_a_signature_for_another_path_is_invalid() -> None:
    assert verify(sign(), path="/api/atlas/v1.0/orgs") is Refusal.INVALID


def test_a_signature_for_another_query_is_invalid() -> None:
    assert verify(sign(), query="itemsPerPage=2&pageNum=2") is Refusal.INVALID


def test_an_unknown_username_is_invalid_whatever_it_is_signed_with() -> None:
    assert verify(sign(ha1="0" * 32), ha1_of=lambda username: None) is Refusal.INVALID


def test_a_nonce_never_issued_costs_no_look_up() -> None:
    asked: list[str] = []

    verify(sign(nonce="A" * 32), ha1_of=asked.append)

    assert asked == []


def test_the_steps_one_by_one_come_to_what_verify_does() -> None:
    verifier = Verifier(NONCES)
    claimed = parse(sign())

    assert verifier.is_plausible(claimed, path=PATH, query=QUERY, now_seconds=NOW)
    assert verifier.settle(claimed, HA1, method="GET", now_seconds=NOW) == claimed


# Replays


def nonce_of(seconds: int, number: int = 0) -> str:
    return Nonces(SECRET, lambda size: number.to_bytes(size, "big")).issue(seconds)


def test_the_same_request_twice_is_refused() -> None:
    window = ReplayWindow()

    assert [window.accept(NONCE, 1, NOW), window.accept(NONCE, 1, NOW)] == [True, False]


def test_the_same_nc_on_another_nonce_is_accepted() -> None:
    window = ReplayWindow()
    window.accept(nonce_of(NOW, 1), 7, NOW)

    assert window.accept(nonce_of(NOW, 2), 7, NOW)


def test_the_first_nc_of_a_nonce_may_be_any() -> None:
    assert ReplayWindow().accept(NONCE, 4711, NOW)


@pytest.mark.parametrize("nc", [0, -1, 0x1_0000_0000])
def test_an_nc_outside_32_bits_is_refused(nc: int) -> None:
    assert not ReplayWindow().accept(NONCE, nc, NOW)


def test_the_greatest_nc_is_accepted_after_the_least() -> None:
    window = ReplayWindow()

    assert [window.accept(NONCE, nc, NOW) for nc in (1, 0xFFFFFFFF, 1)] == [True, True, False]


@pytest.mark.parametrize(("nc", "is_accepted"), [(937, True), (936, False)])
def test_a_late_request_is_accepted_up_to_63_below_the_highest(nc: int, is_accepted: bool) -> None:
    window = ReplayWindow()
    window.accept(NONCE, 1000, NOW)

    assert window.accept(NONCE, nc, NOW) is is_accepted


def test_a_jump_ahead_forgets_nothing_that_is_still_in_the_window() -> None:
    window = ReplayWindow()

    assert [window.accept(NONCE, nc, NOW) for nc in (100, 163, 100, 101)] == [
        True,
        True,
        False,
        True,
    ]


def test_an_expired_nonce_is_forgotten_and_refused() -> None:
    window = ReplayWindow()
    window.accept(NONCE, 1, NOW)

    assert (window.accept(NONCE, 2, NOW + 301), len(window)) == (False, 0)


def test_a_full_window_forgets_the_nonce_first_seen_and_refuses_it_from_then_on() -> None:
    window = ReplayWindow(nonces_max=2)
    for second in (0, 1, 2):
        window.accept(nonce_of(NOW + second), 1, NOW + 2)

    answers = [window.accept(nonce_of(NOW + second), 2, NOW + 2) for second in (0, 1, 2)]

    assert (answers, len(window)) == ([False, True, True], 2)


def test_a_nonce_never_seen_but_no_younger_than_a_forgotten_one_is_refused() -> None:
    window = ReplayWindow(nonces_max=1)
    window.accept(nonce_of(NOW), 1, NOW)
    window.accept(nonce_of(NOW + 1), 1, NOW + 1)

    answers = [window.accept(nonce_of(NOW + age, 9), 1, NOW + 2) for age in (-1, 0, 2)]

    assert answers == [False, False, True]


class ReplayWindowAgainstASet(RuleBasedStateMachine):
    """A request is accepted exactly when it is in the window and not in the set of those seen."""

    def __init__(self) -> None:
        super().__init__()
        self.window = ReplayWindow()
        self.seen: set[tuple[str, int]] = set()
        self.now = NOW

    @rule(
        number=st.integers(0, 2),
        nc=st.one_of(st.integers(1, 200), st.integers(0xFFFFFFFF - 70, 0xFFFFFFFF)),
    )
    def request(self, number: int, nc: int) -> None:
        nonce = nonce_of(NOW, number)
        highest = max((used for other, used in self.seen if other == nonce), default=0)
        expected = self.now <= NOW + 300 and (nonce, nc) not in self.seen and nc >= highest - 63

        assert self.window.accept(nonce, nc, self.now) is expected
        if expected:
            self.seen.add((nonce, nc))

    @rule(seconds=st.integers(0, 20))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def holds_no_more_than_the_nonces_in_use(self) -> None:
        assert len(self.window) <= len({nonce for nonce, _ in self.seen})


TestReplayWindowAgainstASet = pytest.mark.slow(ReplayWindowAgainstASet.TestCase)
