"""The structs of bodies as JSON schemas, for the OpenAPI document."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import msgspec
from msgspec import inspect

from telamon.api.call import Link, Route

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/"


def schemas_of(routes: Sequence[Route]) -> tuple[Mapping[type, str], Schema]:
    """The name of each struct that bodies consist of, and the schemas by their names."""
    structs = sorted(_structs(routes), key=lambda each: (each.__module__, each.__qualname__))
    references, made = msgspec.json.schema_components(structs, ref_template=f"{_REFERENCE}{{name}}")
    by_struct = {
        struct: made[reference["$ref"].removeprefix(_REFERENCE)]
        for struct, reference in zip(structs, references, strict=True)
    }
    for struct, schema in by_struct.items():
        _date(struct, schema)
    for route in routes:
        fields = struct_of(route.body)
        if fields is not None:
            by_struct[fields]["additionalProperties"] = False
    named = {
        struct: _public(reference["$ref"].removeprefix(_REFERENCE))
        for struct, reference in zip(structs, references, strict=True)
    }
    return named, {
        _public(name): {key: _mended(value) for key, value in schema.items() if key != "title"}
        for name, schema in made.items()
    }


def referred(name: str) -> Schema:
    return {"$ref": f"{_REFERENCE}{name}"}


def struct_of(body: object) -> type[msgspec.Struct] | None:
    """A body's struct, or that of each item of a list."""
    found = next(iter(get_args(body)), body)
    return found if isinstance(found, type) and issubclass(found, msgspec.Struct) else None


def _structs(routes: Sequence[Route]) -> set[type[msgspec.Struct]]:
    """All that bodies consist of."""
    roots = {
        struct
        for route in routes
        for answer in (route.answer, route.answer_v1)
        for struct in (struct_of(route.body), answer and answer.body)
        if struct is not None
    }
    found: set[type[msgspec.Struct]] = set()
    for each in inspect.multi_type_info([*roots, Link]):
        found.update(_within(each))
    return found


def _within(kind: inspect.Type) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, inspect.StructType):
        yield kind.cls
        for field in kind.fields:
            yield from _within(field.type)
    elif isinstance(kind, inspect.ListType):
        yield from _within(kind.item_type)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _within(each)


def _date(struct: type[msgspec.Struct], schema: Schema) -> None:
    """Say of moments that they are; msgspec does so only of those that need an offset."""
    found = inspect.type_info(struct)
    assert isinstance(found, inspect.StructType)
    for field in found.fields:
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        if not any(isinstance(each, inspect.DateTimeType) for each in kinds):
            continue
        shown = schema["properties"][field.encode_name]
        for option in shown.get("anyOf", [shown]):
            if option.get("type") == "string":
                option["format"] = "date-time"


def _mended(node: Any) -> Any:
    """Names of schemas without what only Python needs, and patterns as ECMAScript writes them."""
    if isinstance(node, list):
        return [_mended(each) for each in node]
    if not isinstance(node, dict):
        return node
    mended: Schema = {key: _mended(value) for key, value in node.items()}
    if isinstance(mended.get("$ref"), str):
        place, _, name = mended["$ref"].rpartition("/")
        mended["$ref"] = f"{place}/{_public(name)}"
    if isinstance(mended.get("pattern"), str):
        mended["pattern"] = mended["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    return mended


def _public(name: str) -> str:
    """A module's name in front only where two modules have the same name for something."""
    module, dot, short = name.rpartition(".")
    return f"{module.rpartition('.')[2]}{dot}{short.lstrip('_')}"
