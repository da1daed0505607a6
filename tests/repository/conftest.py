"""What several of these modules need."""

import pytest

from telamon.repository import pack


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs close at 2000 bytes, so that a few documents make several."""
    monkeypatch.setattr(pack, "PACK_TARGET_BYTES", 2000)
