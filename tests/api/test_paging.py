"""Query parameters, pages and links."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.api.paging import (
    Link,
    PageRequest,
    boolean,
    first,
    links,
    page_request,
    parse_query,
)
from telamon.errors import InvalidQueryParameter

BASE = "https://telamon.example/api/atlas/v1.0/groups"


# Taking a query apart


@pytest.mark.parametrize(
    ("raw", "parameters"),
    [
        ("", []),
        ("&&", []),
        ("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("name=&pretty", [("name", ""), ("pretty", "")]),
        ("a=b=c", [("a", "b=c")]),
        ("=x", [("", "x")]),
        ("a+b=c+d%2Be", [("a b", "c d+e")]),
        ("a=%C3%A9", [("a", "\u00e9")]),
        ("a=\u00e9", [("a", "\u00e9")]),
        ("a=%2", [("a", "%2")]),
        ("a=%zz", [("a", "%zz")]),
        ("a=%ff", [("a", "\ufffd")]),
        ("a=%00", [("a", "\x00")]),
        ("a=1;b=2", [("a", "1;b=2")]),
    ],
)
def test_a_query_keeps_order_duplicates_and_empty_values(
    raw: str, parameters: list[tuple[str, str]]
) -> None:
    assert parse_query(raw) == parameters


def test_a_query_may_be_octets() -> None:
    assert parse_query(b"a=\xc3\xa9&b=\xff") == [("a", "\u00e9"), ("b", "\ufffd")]


@given(st.one_of(st.text(), st.binary()))
def test_any_query_comes_apart_into_text_that_utf_8_can_hold(raw: str | bytes) -> None:
    text = "".join(name + value for name, value in parse_query(raw))

    assert text.encode().decode() == text


def test_of_duplicates_the_first_counts() -> None:
    assert first([("a", "1"), ("a", "2")], "a") == "1"


# Pages


@pytest.mark.parametrize(
    ("raw", "page_num", "items_per_page"),
    [
        ("", 1, 100),
        ("pageNum=&itemsPerPage=", 1, 100),
        ("pageNum=0&itemsPerPage=0", 1, 100),
        ("pageNum=000&itemsPerPage=007", 1, 7),
        ("pageNum=3&itemsPerPage=50", 3, 50),
        ("itemsPerPage=1", 1, 1),
        ("itemsPerPage=500", 1, 500),
        ("itemsPerPage=501", 1, 500),
        ("itemsPerPage=9999999999999999999", 1, 500),
        ("pageNum=18446744073709551", 18446744073709551, 100),
        ("pageNum=2&pageNum=x", 2, 100),
        ("PAGENUM=7", 1, 100),
    ],
)
def test_the_parameters_ask_for_a_page(raw: str, page_num: int, items_per_page: int) -> None:
    page = page_request(parse_query(raw))

    assert (page.page_num, page.items_per_page) == (page_num, items_per_page)


@pytest.mark.parametrize("name", ["pageNum", "itemsPerPage"])
@pytest.mark.parametrize(
    "value",
    [
        *("-1", "-0", "%2B1", "+1", "1+", "1.0", "1e3", "0x10", "1_000", "one", "null", "%00"),
        *("%D9%A1", "%C2%B2", "12345678901234567890", "9" * 100_000),
    ],
)
def test_what_is_no_unsigned_integer_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidQueryParameter) as refused:
        page_request(parse_query(f"{name}={value}"))

    assert refused.value.message == f"Invalid query parameter {name} specified."


def test_a_page_whose_items_have_no_64_bit_number_is_refused() -> None:
    with pytest.raises(InvalidQueryParameter, match="pageNum"):
        page_request([("pageNum", "18446744073709552")])


@pytest.mark.parametrize(
    ("page_num", "items_per_page", "offset"),
    [(1, 100, 0), (2, 100, 100), (18446744073709551, 500, 9223372036854775000)],
)
def test_the_offset_counts_the_items_before_the_page(
    page_num: int, items_per_page: int, offset: int
) -> None:
    assert PageRequest(page_num=page_num, items_per_page=items_per_page).offset == offset


@pytest.mark.parametrize(
    ("raw", "include_count"),
    [("", True), ("includeCount=", True), ("includeCount=false", False)],
)
def test_the_count_is_included_unless_declined(raw: str, include_count: bool) -> None:
    assert page_request(parse_query(raw)).include_count is include_count


# Booleans


@pytest.mark.parametrize(
    ("value", "meaning"),
    [("true", True), ("TRUE", True), ("True", True), ("false", False), ("fAlSe", False)],
)
def test_a_boolean_is_true_or_false_in_any_case(value: str, meaning: bool) -> None:
    assert boolean([("pretty", value)], "pretty", default=not meaning) is meaning


@pytest.mark.parametrize("parameters", [[], [("pretty", "")], [("envelope", "false")]])
@pytest.mark.parametrize("default", [True, False])
def test_an_absent_or_empty_boolean_is_the_default(
    parameters: list[tuple[str, str]], default: bool
) -> None:
    assert boolean(parameters, "pretty", default=default) is default


@pytest.mark.parametrize("value", ["1", "0", "yes", " true", "truetrue", "null", "\u017ftrue"])
def test_any_other_boolean_is_refused_by_name(value: str) -> None:
    with pytest.raises(InvalidQueryParameter) as refused:
        boolean([("envelope", value)], "envelope", default=False)

    assert refused.value.parameters == ("envelope",)


# Links


def links_of(
    raw: str, *, total: int | None = None, has_next: bool = False
) -> list[tuple[str, str]]:
    """Rel and query of each link."""
    parameters = parse_query(raw)
    found = links(BASE, parameters, page_request(parameters), total, has_next)
    return [(link["rel"], link["href"].removeprefix(f"{BASE}?")) for link in found]


def test_a_list_without_a_query_links_to_itself_with_both_paging_parameters() -> None:
    assert links(BASE, [], PageRequest(), 3, False) == [
        Link(href=f"{BASE}?pageNum=1&itemsPerPage=100", rel="self")
    ]


def test_a_link_has_its_keys_in_the_order_of_the_wire() -> None:
    assert list(links(BASE, [], PageRequest(), 3, False)[0]) == ["href", "rel"]


def test_a_page_in_the_middle_links_to_previous_self_and_next() -> None:
    assert links_of("pageNum=2&itemsPerPage=2", total=5) == [
        ("previous", "itemsPerPage=2&pageNum=1"),
        ("self", "pageNum=2&itemsPerPage=2"),
        ("next", "itemsPerPage=2&pageNum=3"),
    ]


def test_the_callers_other_parameters_come_first_and_in_their_order() -> None:
    raw = "pretty=true&itemsPerPage=1&includeCount=true&name=&pageNum=2&pretty=false"

    assert links_of(raw, total=3) == [
        ("previous", "pretty=true&includeCount=true&name=&pretty=false&itemsPerPage=1&pageNum=1"),
        ("self", "pretty=true&includeCount=true&name=&pretty=false&pageNum=2&itemsPerPage=1"),
        ("next", "pretty=true&includeCount=true&name=&pretty=false&itemsPerPage=1&pageNum=3"),
    ]


def test_the_links_say_what_was_served_and_not_what_was_asked() -> None:
    assert links_of("pageNum=0&itemsPerPage=9000") == [("self", "pageNum=1&itemsPerPage=500")]


@pytest.mark.parametrize(
    ("total", "rels"),
    [(4, ["previous", "self"]), (5, ["previous", "self", "next"]), (0, ["previous", "self"])],
)
def test_next_is_there_when_the_total_is_not_reached(total: int, rels: list[str]) -> None:
    found = links_of("pageNum=2&itemsPerPage=2", total=total)

    assert [rel for rel, _ in found] == rels


@pytest.mark.parametrize(("has_next", "rels"), [(True, ["self", "next"]), (False, ["self"])])
def test_without_a_total_the_caller_says_whether_a_page_follows(
    has_next: bool, rels: list[str]
) -> None:
    found = links_of("includeCount=false", has_next=has_next)

    assert [rel for rel, _ in found] == rels


def test_parameters_stay_percent_encoded() -> None:
    raw = "name=a%26b%3D%22c%22+d%0D%0A&at=2024-01-01T00:00:00Z&h=%23&u=%C3%A9"

    assert links_of(raw) == [
        (
            "self",
            "name=a%26b%3D%22c%22%20d%0D%0A&at=2024-01-01T00:00:00Z&h=%23&u=%C3%A9"
            "&pageNum=1&itemsPerPage=100",
        )
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OTHERS = st.lists(st.tuples(TEXT, TEXT).filter(lambda it: it[0] not in ("pageNum", "itemsPerPage")))


@given(OTHERS)
def test_what_a_link_keeps_reads_as_what_the_caller_sent(others: list[tuple[str, str]]) -> None:
    (link,) = links(BASE, others, PageRequest(), None, False)
    query = link["href"].removeprefix(f"{BASE}?")

    kept = parse_qsl(query, keep_blank_values=True)[:-2]

    assert (kept, parse_query(query)[:-2]) == (others, others)


@given(st.text())
def test_a_link_is_printable_ascii_without_white_space(raw: str) -> None:
    (link,) = links(BASE, parse_query(raw), PageRequest(), None, False)

    assert [char for char in link["href"] if not "!" <= char <= "~"] == []
