"""The socket that the API listens on."""

import socket
from contextlib import closing

import pytest

from telamon.config import Settings
from telamon.server.serve import listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_answer_is_sent_at_once(host: str) -> None:
    """Otherwise the body of each answer may wait until the head was acknowledged."""
    with (
        listen(Settings(host=host, port=0)) as listener,
        closing(socket.create_connection(listener.getsockname()[:2])),
        closing(listener.accept()[0]) as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
