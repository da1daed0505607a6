"""Servers that the tests of this package share, one of a kind in each test process."""

from collections.abc import Iterator

import pytest

from tests.blobs.s3_proxy import S3Proxy
from tests.blobs.servers import S3Server, find_seaweedfs, run_moto, run_seaweedfs


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with run_moto() as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[S3Server]:
    with run_seaweedfs(find_seaweedfs()) as server:
        yield server


@pytest.fixture
def proxy(moto: S3Server) -> Iterator[S3Proxy]:
    """Stands before moto; what it is told is gone with the test."""
    with S3Proxy(moto.endpoint) as proxy:
        yield proxy
