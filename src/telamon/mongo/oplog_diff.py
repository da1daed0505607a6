"""An update as the oplog has it, ``{$v: 2, diff: …}``, applied to the bytes of a document.

A diff has sections, and a section has one element for each field that it speaks of::

    d      fields that go (the values mean nothing)
    u      fields with a new value, in their old place; at the end if there is none
    i      fields that are put at the end, wherever they were
    sName  a diff of the document or array in the field ``Name``

That of an array begins with ``a: true``; then come ``l``, its new length, ``u3``, a value for place 3,
and ``s3``, a diff of what is in place 3. What is not spoken of stays as it is, byte for byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from telamon.mongo.elements import (
    ARRAY,
    BOOLEAN,
    DOCUMENT,
    INT32,
    INT64,
    NULL,
    Element,
    document_of,
    elements,
    named,
)

_ARRAY_MARK = b"a"
_LENGTH = b"l"
_SUBDIFF = b"s"
_UPDATE = b"u"
_INSERT = b"i"
_DELETE = b"d"


class UnknownDiff(ValueError):
    """A diff of a form that this version does not know; the text says which."""


@dataclass(slots=True)
class _Sections:
    """What one diff of a document says of its fields."""

    gone: set[bytes] = field(default_factory=set)
    updated: dict[bytes, bytes] = field(default_factory=dict)
    inserted: dict[bytes, bytes] = field(default_factory=dict)
    diffs: dict[bytes, bytes] = field(default_factory=dict)


def apply_diff(document: bytes, diff: bytes) -> bytes:
    """The document after the update.

    Raises UnknownDiff for a section that is none of those above, MalformedBson for what is no BSON.
    """
    sections = _read(diff)
    pieces = []
    placed = set()
    for element in elements(document):
        name = element.name
        if name in sections.gone or name in sections.inserted:
            continue
        if name in sections.updated:
            pieces.append(sections.updated[name])
            placed.add(name)
        elif name in sections.diffs:
            pieces.append(named(name, *_changed(document, element, sections.diffs[name])))
        else:
            pieces.append(document[element.start : element.end])
    pieces += [value for name, value in sections.updated.items() if name not in placed]
    pieces += sections.inserted.values()
    return document_of(pieces)


def _read(diff: bytes) -> _Sections:
    sections = _Sections()
    for section in elements(diff):
        value = diff[section.value : section.end]
        if section.name[:1] == _SUBDIFF and section.kind == DOCUMENT:
            sections.diffs[section.name[1:]] = value
        elif section.kind != DOCUMENT or section.name not in {_DELETE, _UPDATE, _INSERT}:
            raise _unknown(section)
        elif section.name == _DELETE:
            sections.gone.update(element.name for element in elements(value))
        else:
            fields = sections.updated if section.name == _UPDATE else sections.inserted
            for element in elements(value):
                fields[element.name] = value[element.start : element.end]
    return sections


def _changed(holder: bytes, element: Element, diff: bytes) -> tuple[int, bytes]:
    """Type and value of a field that has a diff of its own.

    Null where the field is not of the type that the diff is for, as on the server: a later entry
    gives it a value again.
    """
    value = holder[element.value : element.end]
    is_array_diff = _is_array_diff(diff)
    if element.kind == ARRAY and is_array_diff:
        return ARRAY, _apply_to_array(value, diff)
    if element.kind == DOCUMENT and not is_array_diff:
        return DOCUMENT, apply_diff(value, diff)
    return NULL, b""


def _is_array_diff(diff: bytes) -> bool:
    first = next(elements(diff), None)
    return first is not None and first.kind == BOOLEAN and first.name == _ARRAY_MARK


def _apply_to_array(array: bytes, diff: bytes) -> bytes:
    changes = list(elements(diff))[1:]
    length = None
    if changes and changes[0].name == _LENGTH:
        length = _integer(diff, changes.pop(0))
    present = list(elements(array))
    changed = {_place(change): change for change in changes}
    size = len(present) if length is None else length
    if length is None and changed:
        size = max(size, max(changed) + 1)
    return document_of(list(_items(array, present, diff, changed, size)))


def _items(
    array: bytes, present: list[Element], diff: bytes, changed: dict[int, Element], size: int
) -> Iterator[bytes]:
    """The elements of the new array; what was not there before and has no value is null."""
    for place in range(size):
        name = str(place).encode()
        change = changed.get(place)
        old = present[place] if place < len(present) else None
        if change is None:
            kind, value = (old.kind, array[old.value : old.end]) if old else (NULL, b"")
        elif change.name[:1] == _UPDATE:
            kind, value = change.kind, diff[change.value : change.end]
        elif old is None:
            kind, value = NULL, b""
        else:
            kind, value = _changed(array, old, diff[change.value : change.end])
        yield named(name, kind, value)


def _place(change: Element) -> int:
    section, digits = change.name[:1], change.name[1:]
    if not digits.isdigit() or section not in {_UPDATE, _SUBDIFF}:
        raise _unknown(change)
    if section == _SUBDIFF and change.kind != DOCUMENT:
        raise _unknown(change)
    return int(digits)


def _integer(document: bytes, element: Element) -> int:
    if element.kind not in {INT32, INT64}:
        raise _unknown(element)
    return int.from_bytes(document[element.value : element.end], "little", signed=True)


def _unknown(section: Element) -> UnknownDiff:
    name = section.name.decode(errors="replace")
    return UnknownDiff(f'a section "{name}" of BSON type 0x{section.kind:02x}')
