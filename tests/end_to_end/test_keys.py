"""``telamon key create`` beside a running server."""

import json

import httpx
import pytest

from tests.end_to_end.harness import Server, telamon

pytestmark = pytest.mark.xdist_group("main-story")


def _create(server: Server, *words: str) -> tuple[int, str, str]:
    done = telamon("key", "create", "--data-dir", str(server.data_dir), *words)
    return done.returncode, done.stdout, done.stderr


def _get(server: Server, output: str, path: str) -> httpx.Response:
    key = json.loads(output)
    auth = httpx.DigestAuth(key["publicKey"], key["privateKey"])
    return httpx.get(
        f"{server.url}/api/atlas/v1.0/groups/{server.group_id}/serverless{path}", auth=auth
    )


def test_a_lost_key_is_replaced_by_another_owner(server: Server) -> None:
    status, output, _ = _create(server, "--json")

    assert status == 0
    assert list(json.loads(output)) == ["publicKey", "privateKey"]
    assert _get(server, output, "").status_code == 200


def test_a_key_for_reading_a_project_reads_it_and_no_more(server: Server) -> None:
    words = ("--json", "--role", "GROUP_READ_ONLY", "--group-id", server.group_id)
    status, output, _ = _create(server, *words)

    assert status == 0
    assert _get(server, output, "").status_code == 200
    answer = _get(server, output, "/none/backup/restoreJobs")
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "USER_UNAUTHORIZED")


def test_a_key_for_other_machines_does_not_work_here(server: Server) -> None:
    status, output, _ = _create(server, "--json", "--allow", "10.0.0.0/8", "--allow", "fd00::/8")

    assert status == 0
    answer = _get(server, output, "")
    assert (answer.status_code, answer.json()["errorCode"]) == (
        403,
        "IP_ADDRESS_NOT_ON_ACCESS_LIST",
    )


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ["--allow", "nonsense"],
            2,
            "nonsense is neither an IP address nor a network in CIDR notation.",
        ),
        (["--role", "GROUP_OWNER"], 2, "the role GROUP_OWNER needs a project."),
        (["--group-id", "1" * 24], 2, "the role ORG_OWNER needs no project."),
        (
            ["--role", "GROUP_OWNER", "--group-id", "1" * 24],
            4,
            f"No group with ID {'1' * 24} exists.",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    server: Server, words: list[str], code: int, sentence: str
) -> None:
    status, output, error = _create(server, *words)

    assert (status, output) == (code, "")
    assert error.startswith("telamon: ")
    assert error.endswith(f"{sentence}\n")


def test_a_mapped_address_is_listed_as_what_it_stands_for(server: Server) -> None:
    status, output, _ = _create(server, "--allow", "::ffff:192.168.1.7")

    assert status == 0
    assert output.splitlines()[0] == "ORG_OWNER, from 192.168.1.7/32"


def test_before_init_there_is_no_organization_to_make_a_key_for(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    done = telamon("key", "create", "--data-dir", str(tmp_path_factory.mktemp("empty")))

    assert done.returncode == 78
    assert done.stderr == (
        "telamon: This data directory has not been initialized: telamon init does that.\n"
    )
