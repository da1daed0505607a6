"""Bytes out: compact, pretty, enveloped, and errors."""

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.api.paging import Link
from telamon.api.render import (
    UNAUTHENTICATED_V1,
    UNAUTHENTICATED_V2,
    envelope_list,
    envelope_single,
    error_body,
    pretty,
    timestamp,
    to_json,
)
from telamon.errors import (
    InstanceNotFound,
    InvalidQueryParameter,
    InvalidVersionDate,
    OrgRequiresAccessList,
    TelamonError,
    Unavailable,
)

# Compact


def test_json_is_compact_and_keeps_the_order_of_its_keys() -> None:
    value = {"b": 1, "a": [True, None, "x"], "c": Link(href="h", rel="self")}

    assert to_json(value) == b'{"b":1,"a":[true,null,"x"],"c":{"href":"h","rel":"self"}}'


def test_json_is_utf_8_and_escapes_no_more_than_it_must() -> None:
    assert to_json('\u00e9 / < "\n') == b'"\xc3\xa9 / < \\"\\n"'


def test_json_keeps_fractions_and_great_integers() -> None:
    assert to_json([5.0, 9223372036854775808, 10**30]) == (
        b"[5.0,9223372036854775808,1000000000000000000000000000000]"
    )


# Timestamps


def test_a_timestamp_is_cut_off_to_the_second() -> None:
    assert timestamp(datetime(2024, 2, 29, 23, 59, 59, 999_999, UTC)) == "2024-02-29T23:59:59Z"


def test_a_timestamp_is_in_utc() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))

    assert timestamp(datetime(2024, 1, 1, 3, 0, tzinfo=kathmandu)) == "2023-12-31T21:15:00Z"


def test_a_timestamp_of_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        timestamp(datetime(2024, 1, 1))  # noqa: DTZ001  # the point of the test


# Pretty


@pytest.mark.parametrize(
    ("compact", "printed"),
    [
        (b"{}", b"{ }"),
        (b"[]", b"[ ]"),
        (b"null", b"null"),
        (b'"a"', b'"a"'),
        (b"[1,2]", b"[ 1, 2 ]"),
        (b"[[],[1],[[2,3],{}]]", b"[ [ ], [ 1 ], [ [ 2, 3 ], { } ] ]"),
        (b'{"a":{}}', b'{\n  "a" : { }\n}'),
        (b'{"a":[],"b":null}', b'{\n  "a" : [ ],\n  "b" : null\n}'),
        (b'{"a":{"b":{"c":1}}}', b'{\n  "a" : {\n    "b" : {\n      "c" : 1\n    }\n  }\n}'),
        (b'[{"a":1},{"b":2}]', b'[ {\n  "a" : 1\n}, {\n  "b" : 2\n} ]'),
        (b'{"a":[[{"b":1}]]}', b'{\n  "a" : [ [ {\n    "b" : 1\n  } ] ]\n}'),
        (b'[1,{"a":1},2]', b'[ 1, {\n  "a" : 1\n}, 2 ]'),
    ],
)
def test_objects_break_lines_and_arrays_do_not(compact: bytes, printed: bytes) -> None:
    assert pretty(compact) == printed


@pytest.mark.parametrize(
    "spelling",
    [
        *(b"5.0", b"-0.0", b"1e+400", b"123456789012345678901234567890", b"true", b"false"),
        *(b'"{[,:]}"', rb'"a\"b"', rb'"\\"', rb'"\\\"{"', b'""', b'"\xc3\xa9 \xe2\x80\xa8"'),
        *(rb'"\u00e9"', b'"  two  spaces  "'),
    ],
)
def test_a_value_keeps_its_spelling(spelling: bytes) -> None:
    compact = b'{"a":' + spelling + b',"b":[' + spelling + b"]}"

    assert pretty(compact) == (b'{\n  "a" : ' + spelling + b',\n  "b" : [ ' + spelling + b" ]\n}")


def test_a_list_page_prints_as_jackson_prints_it() -> None:
    page = {
        "links": [
            {"href": "https://telamon.example/a?pageNum=1&itemsPerPage=2", "rel": "self"},
            {"href": "https://telamon.example/a?itemsPerPage=2&pageNum=2", "rel": "next"},
        ],
        "results": [
            {"deliveryUrl": [], "id": "5f", "tags": ["a", "b"], "ratio": 5.0},
            {"components": [{"name": "x"}, {}], "id": "60", "meta": {"deep": {"er": None}}},
        ],
        "totalCount": 3,
    }

    assert pretty(to_json(page)).decode() == (
        """\
{
  "links" : [ {
    "href" : "https://telamon.example/a?pageNum=1&itemsPerPage=2",
    "rel" : "self"
  }, {
    "href" : "https://telamon.example/a?itemsPerPage=2&pageNum=2",
    "rel" : "next"
  } ],
  "results" : [ {
    "deliveryUrl" : [ ],
    "id" : "5f",
    "tags" : [ "a", "b" ],
    "ratio" : 5.0
  }, {
    "components" : [ {
      "name" : "x"
    }, { } ],
    "id" : "60",
    "meta" : {
      "deep" : {
        "er" : null
      }
    }
  } ],
  "totalCount" : 3
}"""
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


@given(JSON)
def test_pretty_changes_nothing_but_white_space(value: object) -> None:
    compact = to_json(value)

    assert msgspec.json.encode(json.loads(pretty(compact))) == compact


def test_a_thousand_levels_print() -> None:
    assert pretty(b"[" * 1000 + b"]" * 1000) == b"[ " * 1000 + b"] " * 999 + b"]"


# Envelopes


def test_a_list_gains_its_status_in_the_order_of_the_alphabet() -> None:
    enveloped = envelope_list({"links": [], "results": [1], "totalCount": 1}, 200)

    assert to_json(enveloped) == b'{"links":[],"results":[1],"status":200,"totalCount":1}'


def test_a_list_without_a_count_gains_its_status_too() -> None:
    assert to_json(envelope_list({"links": [], "results": []}, 200)) == (
        b'{"links":[],"results":[],"status":200}'
    )


def test_the_body_of_a_list_is_left_as_it_was() -> None:
    body: dict[str, object] = {"links": [], "results": []}
    envelope_list(body, 200)

    assert body == {"links": [], "results": []}


def test_a_single_object_is_wrapped_with_its_status() -> None:
    assert to_json(envelope_single({"id": "5f"}, 201)) == b'{"content":{"id":"5f"},"status":201}'


# Errors


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (
            InstanceNotFound("cluster-839", "68466c61e21315547b36642c"),
            b'{"detail":"No serverless instance named cluster-839 exists in group '
            b'68466c61e21315547b36642c.","error":404,"errorCode":"SERVERLESS_INSTANCE_NOT_FOUND",'
            b'"parameters":["cluster-839","68466c61e21315547b36642c"],"reason":"Not Found"}',
        ),
        (
            InvalidVersionDate(),
            b'{"detail":"Invalid accept header or version date.","error":406,'
            b'"errorCode":"INVALID_VERSION_DATE","parameters":[],"reason":"Not Acceptable"}',
        ),
        (
            InvalidQueryParameter("pageNum"),
            b'{"detail":"Invalid query parameter pageNum specified.","error":400,'
            b'"errorCode":"INVALID_QUERY_PARAMETER","parameters":["pageNum"],'
            b'"reason":"Bad Request"}',
        ),
        (
            OrgRequiresAccessList("192.0.2.1"),
            b'{"detail":"This organization requires access through an access list of ip ranges.",'
            b'"error":403,"errorCode":"ORG_REQUIRES_ACCESS_LIST","parameters":["192.0.2.1"],'
            b'"reason":"Forbidden"}',
        ),
        (
            Unavailable("The store does not answer."),
            b'{"detail":"The store does not answer.","error":503,"errorCode":"UNEXPECTED_ERROR",'
            b'"parameters":["The store does not answer."],"reason":"Service Unavailable"}',
        ),
        (
            TelamonError(),
            b'{"detail":"Unexpected error.","error":500,"errorCode":"UNEXPECTED_ERROR",'
            b'"parameters":[],"reason":"Internal Server Error"}',
        ),
    ],
)
def test_an_error_has_the_five_keys_of_the_wire(error: TelamonError, body: bytes) -> None:
    assert to_json(error_body(error)) == body


def test_the_unauthenticated_bodies_are_as_long_as_recorded() -> None:
    assert (len(UNAUTHENTICATED_V1), len(UNAUTHENTICATED_V2)) == (106, 142)


def test_the_unauthenticated_body_of_version_1_is_pretty_printed() -> None:
    compact = (
        b'{"error":401,"reason":"Unauthorized",'
        b'"detail":"You are not authorized for this resource."}'
    )

    assert pretty(compact) == UNAUTHENTICATED_V1


def test_the_unauthenticated_body_of_version_2_is_pretty_printed() -> None:
    compact = (
        b'{"error":401,"reason":"Unauthorized",'
        b'"detail":"You are not authorized for this resource.","errorCode":"UNEXPECTED_ERROR"}'
    )

    assert pretty(compact) == UNAUTHENTICATED_V2
