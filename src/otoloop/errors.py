"""The one exception users see: what is wrong, with the value, and what to do about it."""


class OtoloopError(Exception):
    """A refusal or failure to show to a person as one sentence and a remedy (exit code 1)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()
