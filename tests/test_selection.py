"""Which part of a snapshot is restored, and under which names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.errors import InvalidSelection
from telamon.model.manifest import CollectionKind, Namespace
from telamon.model.selection import Selection, with_free_names

CONTENTS = {
    Namespace("shop", "orders"): CollectionKind.COLLECTION,
    Namespace("shop", "orders.old"): CollectionKind.COLLECTION,
    Namespace("shop", "series"): CollectionKind.TIMESERIES,
    Namespace("shop", "view"): CollectionKind.VIEW,
    Namespace("shop", "system.js"): CollectionKind.COLLECTION,
    Namespace("audit", "log"): CollectionKind.COLLECTION,
    Namespace("Users", "people"): CollectionKind.COLLECTION,
}
ALL_OF_SHOP = {str(each) for each in CONTENTS if each.database == "shop"}


def placed(*namespaces: str, **options: object) -> dict[str, str]:
    selection = Selection(namespaces=namespaces, **options)  # type: ignore[arg-type]
    return {str(source): str(place) for source, place in selection.places(CONTENTS).items()}


def same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


@pytest.mark.parametrize(
    ("namespaces", "expected"),
    [
        (("shop",), ALL_OF_SHOP),
        (("shop.orders",), {"shop.orders"}),
        (("shop.orders.old",), {"shop.orders.old"}),
        (("shop.view", "audit"), {"shop.view", "audit.log"}),
        (("audit", "audit.log", "audit"), {"audit.log"}),
    ],
)
def test_a_database_or_a_collection_is_chosen(
    namespaces: tuple[str, ...], expected: set[str]
) -> None:
    assert placed(*namespaces) == same(*expected)


def test_a_collection_is_renamed_within_and_across_databases() -> None:
    renames = (("shop.orders", "shop.old"), ("shop.view", "other.view"))

    assert placed("shop.orders", "shop.view", renames=renames) == {
        "shop.orders": "shop.old",
        "shop.view": "other.view",
    }


def test_a_renamed_collection_of_a_renamed_database_has_the_name_it_was_given() -> None:
    renames = (("shop", "shop2"), ("shop.orders", "elsewhere.orders"))

    found = placed("shop", renames=renames)

    assert found["shop.orders"] == "elsewhere.orders"
    assert found["shop.series"] == "shop2.series"


def test_suffixes_are_for_names_that_nobody_gave() -> None:
    found = placed(
        "shop",
        "audit",
        renames=(("shop.orders", "shop.kept"), ("audit", "audit2")),
        database_suffix="_d",
        collection_suffix="_c",
    )

    assert found["shop.orders"] == "shop.kept"
    assert found["shop.view"] == "shop_d.view_c"
    assert found["audit.log"] == "audit2.log_c"


def test_stored_functions_go_with_their_database_and_keep_their_name() -> None:
    found = placed("shop", database_suffix="_d", collection_suffix="_c")

    assert found["shop.system.js"] == "shop_d.system.js"


@pytest.mark.parametrize("namespaces", [("shop",), ("shop.orders", "audit"), ("nowhere.to.be",)])
def test_what_some_contents_could_have_is_readable(namespaces: tuple[str, ...]) -> None:
    Selection(namespaces=namespaces).require_readable()


@pytest.mark.parametrize(
    ("namespaces", "reason"),
    [
        ((), "it names no database and no collection"),
        (("shop", "shop."), "shop. is neither a database nor a database.collection"),
        ((".orders",), ".orders is neither a database nor a database.collection"),
    ],
)
def test_what_no_contents_could_have_is_not(namespaces: tuple[str, ...], reason: str) -> None:
    with pytest.raises(InvalidSelection, match=reason):
        Selection(namespaces=namespaces).require_readable()


def test_collections_can_exchange_their_names() -> None:
    swapped = (("shop.orders", "shop.view"), ("shop.view", "shop.orders"))

    assert placed("shop", renames=swapped)["shop.view"] == "shop.orders"


LONG = "x" * 250
REFUSALS = [
    ((), {}, "it names no database and no collection"),
    (("shops",), {}, "there is no database shops to restore"),
    (("shop.order",), {}, "there is no collection shop.order to restore"),
    (("shop.",), {}, "shop. is neither a database nor a database.collection"),
    ((".orders",), {}, ".orders is neither a database nor a database.collection"),
    (("",), {}, "there is no database  to restore"),
    (
        ("shop",),
        {"renames": (("audit.log", "audit.l"),)},
        "audit.log is to be renamed, but it is not chosen",
    ),
    (("shop",), {"renames": (("audit", "a"),)}, "audit is to be renamed, but it is not chosen"),
    (
        ("shop",),
        {"renames": (("shop", "shop.x"),)},
        "shop cannot become shop.x: one is a database, the other a collection",
    ),
    (("shop",), {"renames": (("shop", "a"), ("shop", "b"))}, "shop is renamed twice"),
    (
        ("shop",),
        {"renames": (("shop.view", "shop.a"), ("shop.view", "shop.b"))},
        "shop.view is renamed twice",
    ),
    (
        ("shop.orders", "shop.orders.old"),
        {"renames": (("shop.orders.old", "shop.orders"),)},
        "shop.orders and shop.orders.old would both become shop.orders",
    ),
    (
        ("audit",),
        {"renames": (("audit", "admin"),)},
        "audit.log cannot become admin.log: the database admin is the server's own",
    ),
    (
        ("audit",),
        {"database_suffix": "/x"},
        "audit.log cannot become audit/x.log: the name of a database has none of "
        '/ \\ . " $, no blank and no zero',
    ),
    (
        ("audit",),
        {"renames": (("audit", "é" * 32),)},
        f"audit.log cannot become {'é' * 32}.log: the name of a database has 1 to 63 bytes",
    ),
    (
        ("audit",),
        {"collection_suffix": "$x"},
        "audit.log cannot become audit.log$x: the name of a collection has no $ and no zero",
    ),
    (
        ("audit",),
        {"renames": (("audit.log", "audit..log"),)},
        "audit.log cannot become audit..log: the name of a collection does not begin with a dot",
    ),
    (
        ("audit",),
        {"renames": (("audit.log", f"audit.{LONG}"),)},
        f"audit.log cannot become audit.{LONG}: "
        "a database and a collection have 255 bytes together at most",
    ),
    (
        ("audit",),
        {"renames": (("audit.log", "audit.system.users"),)},
        "audit.log cannot become audit.system.users: "
        "names that begin with system. are the server's own",
    ),
    (
        ("audit",),
        {"renames": (("audit.log", "audit.telamon.shadow.x"),)},
        "audit.log cannot become audit.telamon.shadow.x: "
        "names that begin with telamon.shadow. are Telamon's own",
    ),
    (
        ("shop.system.js",),
        {"renames": (("shop.system.js", "shop.functions"),)},
        "shop.system.js cannot become shop.functions: "
        "only stored functions can be, and have to be, in system.js",
    ),
    (
        ("audit",),
        {"renames": (("audit.log", "audit.system.js"),)},
        "audit.log cannot become audit.system.js: "
        "only stored functions can be, and have to be, in system.js",
    ),
    (
        ("audit", "Users"),
        {"renames": (("audit", "users"),)},
        "a server does not take the databases Users and users together",
    ),
    (
        ("shop",),
        {"query": "{}"},
        "the time series shop.series cannot be filtered by a query, since it is kept as buckets "
        "of many measurements each",
    ),
]


@pytest.mark.parametrize(("namespaces", "options", "sentence"), REFUSALS)
def test_what_cannot_be_is_said_in_a_sentence(
    namespaces: tuple[str, ...], options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidSelection) as caught:
        placed(*namespaces, **options)

    assert caught.value.message == f"The selection cannot be restored: {sentence}."


def test_a_time_series_needs_room_for_the_name_of_its_buckets() -> None:
    name = "x" * 240
    renames = {
        "orders": (("shop.orders", f"shop.{name}"),),
        "series": (("shop.series", f"shop.{name}"),),
    }

    assert placed("shop.orders", renames=renames["orders"]) == {"shop.orders": f"shop.{name}"}
    with pytest.raises(InvalidSelection, match="255 bytes together"):
        placed("shop.series", renames=renames["series"])


def test_a_query_is_for_collections_and_leaves_views_alone() -> None:
    assert placed("shop.orders", "shop.view", query="{}") == same("shop.orders", "shop.view")


# Names that are taken in the target

A, B = Namespace("d", "a"), Namespace("d", "b")


def named(*names: str) -> set[Namespace]:
    return {Namespace("d", name) for name in names}


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        (set(), "a"),
        (named("x"), "a"),
        (named("a"), "a_restored"),
        (named("a", "a_restored"), "a_restored_2"),
        (named("a", "a_restored", "a_restored_2"), "a_restored_3"),
    ],
)
def test_what_is_taken_has_another_name(taken: set[Namespace], expected: str) -> None:
    assert with_free_names({A: A}, taken) == {A: Namespace("d", expected)}


def test_another_name_is_not_one_that_is_restored_too() -> None:
    restored = Namespace("d", "a_restored")

    assert with_free_names({A: A, B: restored}, {A}) == {
        A: Namespace("d", "a_restored_2"),
        B: restored,
    }


def test_stored_functions_have_no_other_name() -> None:
    functions = Namespace("d", "system.js")

    with pytest.raises(InvalidSelection, match=r"stored functions in d\.system\.js"):
        with_free_names({functions: functions}, {functions})


@given(
    st.dictionaries(st.builds(Namespace, st.just("d"), st.sampled_from("abcd")), st.none()),
    st.sets(
        st.builds(
            Namespace,
            st.just("d"),
            st.sampled_from(["a", "b", "a_restored", "b_restored", "a_restored_2"]),
        )
    ),
)
def test_free_names_are_free_and_distinct(
    sources: dict[Namespace, None], taken: set[Namespace]
) -> None:
    found = with_free_names({source: source for source in sources}, taken)

    assert found.keys() == sources.keys()
    assert len(set(found.values())) == len(sources)
    assert taken.isdisjoint(found.values())
