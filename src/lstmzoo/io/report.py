"""What ``lstmzoo data check`` finds out about a data set; each data set fills in its own findings."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """A table of counts."""

    title: str
    heads: Sequence[str]  # names of the columns; the first holds names, the others numbers
    rows: Sequence[Sequence[object]]  # the rows; None leaves a cell empty
    totals: Sequence[Sequence[object]] = field(default=())  # rows below a line


class Report(ABC):
    """The outcome of a check."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether the data set can be used as it is; if not, the exit code of the command is 1."""

    @abstractmethod
    def table(self) -> Table:
        """Return the counts."""

    @abstractmethod
    def remarks(self) -> Iterator[str]:
        """Yield, one sentence each, what the table does not show; the verdict comes last."""

    def as_dict(self) -> dict[str, Any]:
        """Return all findings, ready for JSON; of a subclass that is no dataclass it is to be written."""
        return {**asdict(self), "complete": self.complete}  # type: ignore[call-overload]
