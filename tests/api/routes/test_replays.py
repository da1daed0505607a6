"""A signature works once, and a nonce for five minutes, whichever process is asked."""

import asyncio

import httpx
import pytest

from telamon.model.access import NewApiKey
from telamon.model.instance import Instance
from tests.api.routes.signing import fresh_nonce, is_stale, nonce_of, sign
from tests.api.routes.world import GROUP, V1, V2, World

PATH = f"{V1}/groups/{GROUP}/serverless"
NEW = {
    "name": "fresh",
    "providerSettings": {"backingProviderName": "AWS", "regionName": "US_EAST_1"},
}


@pytest.fixture
def anonymous(world: World) -> httpx.AsyncClient:
    return world.client()


@pytest.fixture
def elsewhere(world: World) -> httpx.AsyncClient:
    """A client of a second process over the same database."""
    return world.client()


async def test_a_replayed_read_is_refused(anonymous: httpx.AsyncClient, key: NewApiKey) -> None:
    header = sign(key, await fresh_nonce(anonymous), PATH)

    answers = [await anonymous.get(PATH, headers=header) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 401, 401]


async def test_a_replayed_write_is_refused(
    world: World, anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    header = sign(key, await fresh_nonce(anonymous), PATH, method="POST")

    answers = [await anonymous.post(PATH, headers=header, json=NEW) for _ in range(2)]

    assert ([answer.status_code for answer in answers], len(world.queued_jobs())) == ([201, 401], 1)


async def test_a_write_replayed_against_another_process_is_refused(
    anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, key: NewApiKey
) -> None:
    header = sign(key, await fresh_nonce(anonymous), PATH, method="POST")
    await anonymous.post(PATH, headers=header, json=NEW)

    again = await elsewhere.post(PATH, headers=header, json={**NEW, "name": "another"})

    assert again.status_code == 401


async def test_a_write_replayed_against_another_process_does_nothing(
    world: World, anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, key: NewApiKey
) -> None:
    header = sign(key, await fresh_nonce(anonymous), PATH, method="POST")
    await anonymous.post(PATH, headers=header, json=NEW)

    await elsewhere.post(PATH, headers=header, json={**NEW, "name": "another"})

    assert len(world.queued_jobs()) == 1


async def test_of_one_write_sent_to_two_processes_at_once_one_is_refused(
    world: World, anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, key: NewApiKey
) -> None:
    header = sign(key, await fresh_nonce(anonymous), PATH, method="POST")

    answers = await asyncio.gather(
        *(client.post(PATH, headers=header, json=NEW) for client in (anonymous, elsewhere))
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert (statuses, len(world.queued_jobs())) == ([201, 401], 1)


async def test_a_delete_replayed_against_another_process_is_refused(
    anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, key: NewApiKey, orders: Instance
) -> None:
    path = f"{PATH}/{orders.name}"
    header = sign(key, await fresh_nonce(anonymous), path, method="DELETE")
    await anonymous.delete(path, headers=header)

    again = await elsewhere.delete(path, headers=header)

    assert again.status_code == 401


async def test_a_write_is_refused_again_even_if_it_did_nothing(
    anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, key: NewApiKey
) -> None:
    header = sign(key, await fresh_nonce(anonymous), PATH, method="POST")

    first = await anonymous.post(PATH, headers=header, content=b"{")
    again = await elsewhere.post(PATH, headers=header, json=NEW)

    assert (first.status_code, again.status_code) == (400, 401)


async def test_a_replay_is_told_to_sign_again_with_a_fresh_nonce(
    anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    header = sign(key, await fresh_nonce(anonymous), PATH)
    await anonymous.get(PATH, headers=header)

    replayed = await anonymous.get(PATH, headers=header)

    assert is_stale(replayed)


async def test_a_failed_attempt_does_not_use_up_a_count(
    anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)
    wrong = sign(key, nonce, PATH, private_key="a guess")
    await anonymous.get(PATH, headers=wrong)

    answer = await anonymous.get(PATH, headers=sign(key, nonce, PATH))

    assert answer.status_code == 200


async def test_another_process_accepts_the_nonce(
    anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)

    answer = await elsewhere.get(PATH, headers=sign(key, nonce, PATH))

    assert answer.status_code == 200


async def test_one_nonce_serves_two_processes_in_turn(
    anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)

    answers = [
        await client.post(
            PATH,
            headers=sign(key, nonce, PATH, method="POST", nc=nc),
            json={**NEW, "name": f"n{nc}"},
        )
        for nc, client in enumerate([anonymous, elsewhere, anonymous, elsewhere], start=1)
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 201]


@pytest.mark.parametrize("counts", [[5], [1, 2, 3], [2, 1], [10, 9, 11], [1, 4_294_967_295]])
async def test_any_count_is_accepted_once(
    anonymous: httpx.AsyncClient, key: NewApiKey, counts: list[int]
) -> None:
    nonce = await fresh_nonce(anonymous)

    answers = [
        await anonymous.get(PATH, headers=sign(key, nonce, PATH, nc=count)) for count in counts
    ]

    assert {answer.status_code for answer in answers} == {200}


async def test_a_count_of_zero_is_refused(anonymous: httpx.AsyncClient, key: NewApiKey) -> None:
    nonce = await fresh_nonce(anonymous)

    answer = await anonymous.get(PATH, headers=sign(key, nonce, PATH, nc=0))

    assert answer.status_code == 401


# Age


async def test_a_nonce_lives_five_minutes(
    world: World, anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)
    world.clock.advance(minutes=5)

    answer = await anonymous.get(PATH, headers=sign(key, nonce, PATH))

    assert answer.status_code == 200


async def test_an_older_nonce_is_stale(
    world: World, anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)
    world.clock.advance(minutes=5, seconds=1)

    answer = await anonymous.get(PATH, headers=sign(key, nonce, PATH))

    assert (answer.status_code, is_stale(answer)) == (401, True)


async def test_the_nonce_that_comes_with_stale_is_good(
    world: World, anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)
    world.clock.advance(minutes=6)
    stale = await anonymous.get(PATH, headers=sign(key, nonce, PATH))

    answer = await anonymous.get(PATH, headers=sign(key, nonce_of(stale), PATH, nc=2))

    assert answer.status_code == 200


async def test_a_stale_nonce_under_a_wrong_key_is_not_called_stale(
    world: World, anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)
    world.clock.advance(minutes=6)

    answer = await anonymous.get(PATH, headers=sign(key, nonce, PATH, private_key="a guess"))

    assert is_stale(answer) is False


@pytest.mark.parametrize("path", [PATH, f"{V2}/groups/{GROUP}/serverless"])
async def test_a_client_that_honours_stale_goes_on_after_a_break(
    world: World, client: httpx.AsyncClient, path: str
) -> None:
    await client.get(path)
    world.clock.advance(hours=1)

    answer = await client.get(path)

    assert (answer.status_code, [leg.status_code for leg in answer.history]) == (200, [401])


async def test_a_replay_after_five_minutes_is_refused_too(
    world: World, anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, key: NewApiKey
) -> None:
    header = sign(key, await fresh_nonce(anonymous), PATH, method="POST")
    await anonymous.post(PATH, headers=header, json=NEW)
    world.clock.advance(days=1)

    again = await elsewhere.post(PATH, headers=header, json={**NEW, "name": "another"})

    assert again.status_code == 401


async def test_uses_of_old_nonces_are_swept(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    await client.post(PATH, json=NEW)
    world.clock.advance(hours=1)

    await client.delete(f"{PATH}/{orders.name}")

    with world.db.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM digest_use").scalar_one()
    assert rows == 1
