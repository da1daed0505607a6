"""A part of a list."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """``items`` of a list that has ``total`` in all. ``total`` may exceed what is reachable here."""

    items: tuple[T, ...]
    total: int
