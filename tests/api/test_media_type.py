"""Which version an ``Accept`` header gets, and which bodies are read."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telamon.api.media_type import KNOWN_VERSIONS, content_type, negotiate
from telamon.errors import InvalidVersionDate

V2023 = date(2023, 1, 1)
V2024 = date(2024, 8, 5)
V2025 = date(2025, 3, 12)
SCHEDULE = [V2023, V2024]

ATLAS_2023 = "application/vnd.atlas.2023-01-01+json"
ATLAS_2024 = "application/vnd.atlas.2024-08-05+json"

REFUSED = [
    None,
    "",
    " ",
    "*/*",
    "application/*",
    "application/json",
    "text/html",
    "application/vnd.atlas.preview+json",
    "application/vnd.atlas.2023-01-01+csv",
    "application/vnd.atlas.2023-01-01",
    "application/vnd.atlas+json",
    "application/vnd.atlas.2023-01-02+json",
    "application/vnd.atlas.2030-01-01+json",
    "application/vnd.atlas.2023-02-30+json",
    "application/vnd.atlas.2023-1-1+json",
    "application/vnd.atlas.\u0662\u0660\u0662\u0663-01-01+json",
    "application/vnd.atlas.2023-01-01+json+json",
    "application/vnd-atlas.2023-01-01+json",
    "text/vnd.atlas.2023-01-01+json",
    "vnd.atlas.2023-01-01+json",
    "application/vnd.atlas.2023-01-01+json charset=utf-8",
    "application/vnd.atlas.2023-01-01+json;charset",
    'application/vnd.atlas.2023-01-01+json;a="b',
    'text/html;a="b, application/vnd.atlas.2023-01-01+json',
    'text/html;a=", application/vnd.atlas.2023-01-01+json"',
    "application/vnd.atlas.2023-01-01+json;q=0",
    "application/vnd.atlas.2023-01-01+json;q=0.000",
    "application/vnd.atlas.2023-01-01+json;q=1.1",
    "application/vnd.atlas.2023-01-01+json;q=-1",
    "application/vnd.atlas.2023-01-01+json;q=nan",
    "application/vnd.atlas.2023-01-01+json;q=",
    ",;,=",
]


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("2023-01-01", V2023),
        ("2023-02-01", V2023),
        ("2024-05-30", V2023),
        ("2024-08-05", V2024),
        ("2024-10-23", V2024),
        ("2025-03-12", V2024),
    ],
)
def test_a_known_date_gets_the_newest_version_not_after_it(asked: str, served: date) -> None:
    assert negotiate(f"application/vnd.atlas.{asked}+json", SCHEDULE, lenient=False) == served


def test_the_order_of_a_resources_versions_does_not_matter() -> None:
    assert negotiate(ATLAS_2024, [V2025, V2024, V2023], lenient=False) == V2024


def test_a_date_before_the_first_version_is_refused() -> None:
    with pytest.raises(InvalidVersionDate):
        negotiate(ATLAS_2023, [V2024], lenient=False)


def test_a_date_before_the_first_version_gets_the_newest_when_lenient() -> None:
    assert negotiate(ATLAS_2023, [V2024, V2025], lenient=True) == V2025


@pytest.mark.parametrize("accept", REFUSED)
def test_a_header_that_names_no_known_date_is_refused(accept: str | None) -> None:
    with pytest.raises(InvalidVersionDate):
        negotiate(accept, SCHEDULE, lenient=False)


@pytest.mark.parametrize("accept", REFUSED)
def test_a_header_that_names_no_known_date_gets_the_newest_when_lenient(
    accept: str | None,
) -> None:
    assert negotiate(accept, SCHEDULE, lenient=True) == V2024


def test_a_known_date_is_honoured_when_lenient_too() -> None:
    assert negotiate(ATLAS_2023, SCHEDULE, lenient=True) == V2023


@pytest.mark.parametrize(
    "accept",
    [
        "APPLICATION/VND.ATLAS.2023-01-01+JSON",
        f"  {ATLAS_2023}\t",
        f"{ATLAS_2023};charset=utf-8",
        f'{ATLAS_2023} ; charset="utf-8" ; Q=0.5',
        f"{ATLAS_2023};",
        f'{ATLAS_2023};a="b, \\"c;d"',
        f"text/html, {ATLAS_2023}, */*;q=0.8",
        f"*/*, {ATLAS_2023};q=0.1",
        f",,{ATLAS_2023},",
        f"what is this, {ATLAS_2023}",
        f'a"b, {ATLAS_2023}", {ATLAS_2023}',
        f"application/vnd.atlas.2030-01-01+json, {ATLAS_2023};q=0.001",
    ],
)
def test_a_known_date_is_found_in_whatever_stands_around_it(accept: str) -> None:
    assert negotiate(accept, SCHEDULE, lenient=False) == V2023


@pytest.mark.parametrize(
    ("accept", "served"),
    [
        (f"{ATLAS_2023};q=0.5, {ATLAS_2024};q=0.6", V2024),
        (f"{ATLAS_2023};q=0.6, {ATLAS_2024};q=0.5", V2023),
        (f"{ATLAS_2023}, {ATLAS_2024}", V2023),
        (f"{ATLAS_2024}, {ATLAS_2023}", V2024),
        (f"{ATLAS_2024};q=0, {ATLAS_2023};q=0.1", V2023),
        (f"{ATLAS_2024};q=0.9, {ATLAS_2023};q=1.000", V2023),
        (f"{ATLAS_2024};q=7, {ATLAS_2023};q=0.1", V2023),
    ],
)
def test_the_heaviest_range_wins_and_the_first_of_equals(accept: str, served: date) -> None:
    assert negotiate(accept, SCHEDULE, lenient=False) == served


ACCEPT_PIECES = st.sampled_from(
    [ATLAS_2023, ATLAS_2024, "*/*", ",", ";", "q", "=", "0", "1", ".5", " ", '"', "\\", "\x00", "é"]
)


@settings(max_examples=500)
@given(st.one_of(st.text(), st.lists(ACCEPT_PIECES, max_size=20).map("".join)))
def test_any_header_is_served_when_lenient(accept: str) -> None:
    assert negotiate(accept, SCHEDULE, lenient=True) in SCHEDULE


def test_a_resource_without_versions_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="empty"):
        negotiate(ATLAS_2023, [], lenient=True)


def test_the_known_dates_are_ten_in_order() -> None:
    assert [str(known) for known in KNOWN_VERSIONS] == [
        "2023-01-01",
        "2023-02-01",
        "2023-10-01",
        "2023-11-15",
        "2024-05-30",
        "2024-08-05",
        "2024-10-23",
        "2024-11-13",
        "2025-02-19",
        "2025-03-12",
    ]


def test_the_content_type_has_no_space_before_its_charset() -> None:
    assert content_type(V2023) == "application/vnd.atlas.2023-01-01+json;charset=utf-8"
