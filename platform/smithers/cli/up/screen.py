"""What shows a run to a person: the seam between the viewer's loop and where it draws."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from smithers.engine.chronicle import Event
from smithers.views.model import RunModel


class Screen(ABC):
    is_picture: bool = False
    """Whether it shows all nodes at once, and so wants to know more than what happens."""

    @abstractmethod
    def begin(self, model: RunModel) -> None:
        """The run is known."""

    @abstractmethod
    def goes_on(self, model: RunModel) -> None:
        """From here on this run is shown, which goes on for the one before."""

    @abstractmethod
    def happened(self, model: RunModel, events: Sequence[Event]) -> None: ...

    @abstractmethod
    def tick(self, model: RunModel) -> None:
        """Called about every twentieth of a second."""

    @abstractmethod
    def say(self, text: str) -> None:
        """A notice of ours, or a line that the worker process wrote."""

    @abstractmethod
    def end(self, model: RunModel) -> None:
        """Nothing more comes. Idempotent."""
