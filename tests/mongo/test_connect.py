"""Connection strings: what is refused, and what is shown of them."""

import pytest

from telamon.errors import DeploymentRefused
from telamon.mongo.connect import open_client, probe, without_credentials
from tests.conftest import Mongod

NO_URI = "The deployment cannot be protected: its URI is not a valid MongoDB connection string."


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://host", "mongodb://host/"),
        ("mongodb://user:secret@host:27018/db?authSource=x", "mongodb://host:27018/"),
        ("mongodb://user:s%40cret@a:1,b:2,[::1]:3/?w=1", "mongodb://a:1,b:2,[::1]:3/"),
        ("mongodb://user:se#cret@host/", "mongodb://host/"),
        ("mongodb://user@host?authMechanismProperties=A:secret@x", "mongodb://host/"),
        (
            "mongodb+srv://user:secret@cluster.example.net/?tls=true",
            "mongodb+srv://cluster.example.net/",
        ),
    ],
)
def test_what_is_shown_of_a_uri_has_no_credentials(uri: str, shown: str) -> None:
    assert without_credentials(uri) == shown


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "s3cret",
        "http://user:s3cret@host/",
        "mongodb://",
        "mongodb://user:s3cret@host:port/",
        "mongodb://user:s3:cret@host/",
        "mongodb://user:s3cret@host/?noSuchOption=1",
        "mongodb://user:s3cret@host/?connectTimeoutMS=soon",
        "mongodb://user:s3cret@host/?tls=true&tlsCAFile=/no/such/s3cret",
    ],
)
def test_what_is_no_uri_is_refused_at_once_and_not_quoted(uri: str) -> None:
    with pytest.raises(DeploymentRefused) as refusal:
        probe(uri)

    assert refusal.value.message == NO_URI


def test_a_wrong_password_is_refused_with_the_servers_reason(source: Mongod) -> None:
    with pytest.raises(DeploymentRefused, match="Authentication failed") as refusal:
        probe(f"mongodb://telamon:s3cret@127.0.0.1:{source.port}/")

    assert "s3cret" not in refusal.value.message


def test_a_user_without_rights_is_told_which_to_have(source: Mongod) -> None:
    source.client.admin.command("createUser", "reader", pwd="s3cret", roles=[])
    try:
        with pytest.raises(DeploymentRefused, match="give it the roles backup and restore"):
            probe(f"mongodb://reader:s3cret@127.0.0.1:{source.port}/?authSource=admin")
    finally:
        source.client.admin.command("dropUser", "reader")


def test_a_deployment_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeploymentRefused, match="does not answer"):
        probe("mongodb://127.0.0.1:1/", selection_seconds=0.2)


def test_a_client_does_not_retry_writes(source: Mongod) -> None:
    with open_client(source.uri) as client:
        assert client.options.retry_writes is False
