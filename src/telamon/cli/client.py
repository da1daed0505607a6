"""What commands ask a running server, over HTTP with digest, as any other client would."""

import itertools
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from telamon.config import ClientSettings
from telamon.errors import Conflict, Forbidden, InvalidRequest, NotFound, TelamonError, Unavailable

_ACCEPT = "application/vnd.atlas.2023-01-01+json"
_PAGE = 500
_POLL_SECONDS = 0.5
_EXIT_CODES = {
    400: InvalidRequest.exit_code,
    401: Forbidden.exit_code,
    403: Forbidden.exit_code,
    404: NotFound.exit_code,
    409: Conflict.exit_code,
}


class Refused(TelamonError):
    """The server's own words."""

    detail = "%s"

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message)
        self._status = status
        self.exit_code = _EXIT_CODES.get(int(status), TelamonError.exit_code)  # type: ignore[misc]

    def __reduce__(self) -> tuple[type["Refused"], tuple[str, str]]:
        return Refused, (self.message, self._status)


class Client:
    """A session with the server as one API key, in one project."""

    def __init__(self, settings: ClientSettings) -> None:
        self._group_id = settings.group_id
        self._http = httpx.Client(
            base_url=settings.url,
            auth=httpx.DigestAuth(settings.public_key, settings.private_key),
            headers={"Accept": _ACCEPT},
            timeout=30,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    @property
    def group_id(self) -> str:
        return self._group_id

    def atlas(self, method: str, path: str, body: object = None) -> Any:
        """A call below the project on Atlas's v2. ``path`` begins with a slash."""
        return self._call(method, f"/api/atlas/v2/groups/{self._group_id}{path}", body)

    def own(self, method: str, path: str, body: object = None) -> Any:
        """A call below the project on Telamon's own paths."""
        return self._call(method, f"/api/telamon/v1/groups/{self._group_id}{path}", body)

    def own_list(self, path: str) -> Iterator[Any]:
        """Every item of a list on Telamon's own paths, page by page."""
        for number in itertools.count(1):
            query = f"?pageNum={number}&itemsPerPage={_PAGE}"
            items = self.own("GET", path + query)["results"]
            yield from items
            if len(items) < _PAGE:
                return

    def everywhere(self, method: str, path: str) -> Any:
        """A call on Telamon's own paths that is in no project."""
        return self._call(method, f"/api/telamon/v1{path}", None)

    def follow(self, path: str, is_done: Callable[[Any], bool], tell: Callable[[Any], None]) -> Any:
        """Ask Telamon's own ``path`` until ``is_done``, telling each answer; returns the last."""
        while True:
            answer = self.own("GET", path)
            tell(answer)
            if is_done(answer):
                return answer
            time.sleep(_POLL_SECONDS)

    def _call(self, method: str, url: str, body: object) -> Any:
        try:
            answer = self._http.request(method, url, json=body)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The server at {self._http.base_url} does not answer: {error}. "
                "TELAMON_URL says where it is."
            ) from error
        if answer.is_success:
            return self._content(answer)
        try:
            detail = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            detail = f"The server answered {answer.status_code}."
        raise Refused(detail, str(answer.status_code))

    def _content(self, answer: httpx.Response) -> Any:
        if answer.status_code == httpx.codes.NO_CONTENT:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise Unavailable(
                f"What answers at {self._http.base_url} is not Telamon. "
                "TELAMON_URL says where it is."
            ) from error
