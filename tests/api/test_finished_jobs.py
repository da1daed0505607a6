"""Restore jobs that are rendered once."""

from dataclasses import replace
from datetime import timedelta

import msgspec

from telamon.api.finished_jobs import FinishedJobs
from telamon.api.render import to_json
from telamon.model.restore_job import RestoreJob, RestoreStage
from tests.state.samples import NOW, restore_job

PLACE = "http://telamon.test/api/atlas/v2/groups/1/serverless/orders/backup/restoreJobs"
LATER = NOW + timedelta(days=365)
FINISHED = replace(restore_job(), stage=RestoreStage.FINISHED, finished_at=NOW, expires_at=LATER)


class Renderer:
    """Renders a job, and counts how often it has to."""

    def __init__(self) -> None:
        self.renderings = 0

    def __call__(self, job: RestoreJob) -> dict[str, object]:
        self.renderings += 1
        return {"documents": job.documents, "id": job.id}


def listed(kept: FinishedJobs, rendered: Renderer, *jobs: RestoreJob, **changed: object) -> bytes:
    asked = {"place": PLACE, "now": NOW, **changed}
    return to_json(kept.listed(jobs, rendered=rendered, **asked))  # type: ignore[arg-type]


def test_an_ended_job_is_rendered_once_and_stays_the_same_to_the_byte() -> None:
    kept, rendered = FinishedJobs(), Renderer()

    answers = {listed(kept, rendered, FINISHED) for _ in range(3)}

    assert answers == {to_json([rendered(FINISHED)])}
    assert rendered.renderings == 2  # once here


def test_a_job_that_goes_on_is_rendered_each_time() -> None:
    kept, rendered = FinishedJobs(), Renderer()
    job = restore_job()

    first = listed(kept, rendered, job)
    second = listed(kept, rendered, replace(job, documents=7))

    assert [msgspec.json.decode(one)[0]["documents"] for one in (first, second)] == [0, 7]
    assert len(kept) == 0


def test_the_order_is_the_callers() -> None:
    kept, rendered = FinishedJobs(), Renderer()
    others = [replace(FINISHED, id=f"{number:024}") for number in range(3)]

    listed(kept, rendered, *others)
    found = msgspec.json.decode(listed(kept, rendered, others[2], restore_job(), others[0]))

    assert [job["id"] for job in found] == [others[2].id, restore_job().id, others[0].id]


def test_readers_of_another_place_get_its_links() -> None:
    kept, rendered = FinishedJobs(), Renderer()

    listed(kept, rendered, FINISHED)
    listed(kept, rendered, FINISHED, place=PLACE.replace("v2", "v1.0"))

    assert rendered.renderings == 2


def test_a_job_is_rendered_anew_when_it_expires() -> None:
    kept, rendered = FinishedJobs(), Renderer()

    for moment in (LATER - timedelta(seconds=1), LATER, LATER + timedelta(seconds=1)):
        listed(kept, rendered, FINISHED, now=moment)

    assert rendered.renderings == 2


def test_no_more_are_kept_than_fit() -> None:
    kept, rendered = FinishedJobs(most=2), Renderer()
    jobs = [replace(FINISHED, id=f"{number:024}") for number in range(3)]

    listed(kept, rendered, *jobs)
    assert len(kept) == 2
    listed(kept, rendered, *jobs[1:])
    assert rendered.renderings == 3
    listed(kept, rendered, jobs[0])
    assert rendered.renderings == 4
