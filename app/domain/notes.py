"""Notes that leads are due."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alert:
    """A mark of the month's limit that was crossed: per cent, requests used, requests in all."""

    mark: int
    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class DueNote:
    """One note of the outbox: about the failure of a turn, or, with an alert, about the mark its settlement crossed."""

    request_id: str
    alert: Alert | None = None

    @classmethod
    def read(cls, name: str) -> "DueNote":
        """The note of this name: `<turn>` or `<turn>:<mark>:<used>:<limit>` (lua/advance.lua)."""
        request_id, *figures = name.split(":")
        return cls(request_id, Alert(*map(int, figures)) if figures else None)

    @property
    def name(self) -> str:
        """Its name in the outbox; one name is one note."""
        if self.alert is None:
            return self.request_id
        return f"{self.request_id}:{self.alert.mark}:{self.alert.used}:{self.alert.limit}"
