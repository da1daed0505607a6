"""What is a database's address, and that no refusal shows a password."""

import string

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from telamon.state.address import check_address

FORM = "is not of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://db.example.net/telamon",
        "postgres://db.example.net:5433/telamon",
        "postgresql://telamon:p%40ss%2Fword@10.0.0.1:5432/telamon?sslmode=verify-full",
        "postgresql://telamon@[::1]:5432/telamon",
    ],
)
def test_an_address_is_accepted_as_it_is(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("mysql://root:hush@db/x", "must begin with postgresql://"),
        ("telamon.db", "must begin with postgresql://"),
        ("postgresql+asyncpg://u:hush@db/x", "must begin with postgresql://"),
        ("postgresql:///telamon", "must name a host"),
        ("postgresql://u:hush@db", "must name a database behind the host"),
        ("postgresql://u:hush@db/", "must name a database behind the host"),
        ("postgresql://u:hu/sh@db/x", FORM),
        ("postgresql://u:hu@sh@db/x", FORM),
        ("postgresql://u:hu:sh@db/x", FORM),
        ("postgresql://u:hu#sh@db/x", FORM),
        ("postgresql://u:hush@db:port/x", FORM),
        ("postgresql://u:hush@[::1/x", FORM),
    ],
)
def test_what_is_no_address_is_refused_in_one_sentence(address: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is not)") as caught:
        check_address(address)

    assert str(caught.value).startswith(sentence)
    assert "hu" not in str(caught.value).replace("PASSWORD", "")
    assert caught.value.__cause__ is None


@given(password=st.text(alphabet=string.printable, min_size=1))
def test_a_password_is_read_as_it_was_written_or_refused(password: str) -> None:
    """Never a part of it as a host, which would be shown."""
    address = f"postgresql://somebody:{password}@db/telamon"
    try:
        check_address(address)
    except ValueError:
        return

    url = sa.make_url(address)
    assert (url.host, url.database) == ("db", "telamon")
