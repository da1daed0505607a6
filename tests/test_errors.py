"""The tree of errors."""

import importlib
import pickle
import pkgutil
from collections.abc import Iterator

import pytest

import telamon
from telamon import errors
from telamon.cli.client import Refused
from telamon.errors import TelamonError

for module in pkgutil.walk_packages(telamon.__path__, "telamon."):
    if "__main__" not in module.name and "migrations" not in module.name:
        importlib.import_module(module.name)


def below(kind: type[TelamonError]) -> Iterator[type[TelamonError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)


EVERY = sorted(set(below(TelamonError)), key=lambda kind: f"{kind.__module__}.{kind.__name__}")
NASTY = ("100%", "%s %d %(x)s", "{0} ü \n", 7, "")


def make(kind: type[TelamonError]) -> TelamonError:
    """One with as many parameters as its template has places."""
    if kind is Refused:
        return Refused("The server's own words, 100% %s.", "404")
    return kind(*NASTY[: kind.detail.count("%s")])


@pytest.mark.parametrize("kind", EVERY)
def test_a_message_is_the_template_with_the_parameters(kind: type[TelamonError]) -> None:
    error = make(kind)

    first, *rest = kind.detail.split("%s")
    expected = first
    for parameter, text in zip(error.parameters, rest, strict=True):
        expected += f"{parameter}{text}"
    assert error.message == expected
    assert str(error) == expected


@pytest.mark.parametrize("kind", EVERY)
def test_an_error_survives_pickling(kind: type[TelamonError]) -> None:
    """As when a job's step ended with it and the worker was killed."""
    error = make(kind)

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert again.parameters == error.parameters
    assert again.message == error.message
    assert again.exit_code == error.exit_code


@pytest.mark.parametrize("kind", EVERY)
def test_a_template_has_no_percent_sign_but_its_places(kind: type[TelamonError]) -> None:
    assert "%" not in kind.detail.replace("%s", "")


@pytest.mark.parametrize("kind", EVERY)
def test_no_error_looks_like_success(kind: type[TelamonError]) -> None:
    assert kind.exit_code != 0
    assert kind.status >= 400


BRANCHES = [
    (errors.InvalidRequest, range(400, 500), 2),
    (errors.Unauthorized, [401], 77),
    (errors.Forbidden, [403], 77),
    (errors.NotFound, [404], 4),
    (errors.Conflict, [409], 5),
    (errors.TooManyRequests, [429], 75),
    (errors.OAuthRefusal, range(400, 500), 2),
    (errors.ConfigurationError, [500], 78),
    (errors.Unavailable, [503], 75),
    (errors.SnapshotFailed, [500], 1),
    (errors.RestoreFailed, [500], 1),
    (errors.DrillFailed, [500], 1),
    (errors.RepositoryJobFailed, [500], 1),
    (errors.Unrecoverable, [500], 90),
]


@pytest.mark.parametrize(("branch", "statuses", "exit_code"), BRANCHES)
def test_a_branch_has_the_codes_that_the_tree_says(
    branch: type[TelamonError], statuses: "list[int] | range", exit_code: int
) -> None:
    for kind in below(branch):
        assert kind.status in statuses
        assert kind.exit_code == exit_code


def test_every_error_of_the_module_is_in_a_branch() -> None:
    in_branches = {kind for branch, _, _ in BRANCHES for kind in below(branch)}

    own = {kind for kind in EVERY if kind.__module__.startswith("telamon.errors")}

    assert own - in_branches == {TelamonError}


def test_the_root_is_an_unexpected_error() -> None:
    error = TelamonError()

    assert (error.status, error.error_code, error.exit_code) == (500, "UNEXPECTED_ERROR", 1)
    assert error.message == "Unexpected error."


def test_codes_are_unique_where_clients_tell_causes_apart_by_them() -> None:
    coded = [kind for kind in EVERY if "error_code" in vars(kind)]

    assert len({kind.error_code for kind in coded}) == len(coded)


@pytest.mark.parametrize("kind", [errors.OrgRequiresAccessList, errors.ResourceRequiresAccessList])
def test_some_parameters_stand_beside_the_text(kind: type[TelamonError]) -> None:
    error = kind("203.0.113.9")

    assert error.message == kind.detail
    assert error.parameters == ("203.0.113.9",)
    assert pickle.loads(pickle.dumps(error)).parameters == error.parameters


def test_a_termination_that_is_protected_tells_its_sentence_as_a_parameter() -> None:
    error = errors.TerminationProtected("Cannot terminate cluster A. 100%")

    assert error.message == errors.TerminationProtected.detail
    assert pickle.loads(pickle.dumps(error)).parameters == ("Cannot terminate cluster A. 100%",)
