"""What every error is: a status, a code, an exit code, and a sentence."""

from typing import ClassVar


class TelamonError(Exception):
    """Anything that goes wrong and that Telamon has words for."""

    status: ClassVar[int] = 500
    error_code: ClassVar[str] = "UNEXPECTED_ERROR"
    exit_code: ClassVar[int] = 1
    detail: ClassVar[str] = "Unexpected error."

    def __init__(self, *parameters: str | int) -> None:
        self.parameters = parameters
        super().__init__(self.message)

    def __reduce__(self) -> tuple[type["TelamonError"], tuple[str | int, ...]]:
        return type(self), self.parameters

    @property
    def message(self) -> str:
        """``detail`` with its parameters filled in."""
        return self.detail % self.parameters if self.parameters else self.detail
