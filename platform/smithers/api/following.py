"""What a handle knows of its run: the log, read page by page, folded into events and a status."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from smithers.engine.chronicle import Event
from smithers.store.interface import Store
from smithers.views.children import waits_for_people
from smithers.views.model import CODE, RUNNING, RunModel, next_model
from smithers.views.rendering import render_failure

PAGE: Final = 5000
ACTIVE_S, QUIET_S = 0.03, 0.15
SETTLED_S: Final = 1.0
"""Without news for so long the log is looked at less often."""
RENDER_AGAIN_S: Final = 3.0
"""How long a run whose code did not render is given to render after all."""


@dataclass(slots=True, eq=False)
class Following:
    """Blocking; used by one thread at a time."""

    store: Store
    model: RunModel
    after: int
    """Entries up to here were there before: they make the status, but are no news."""
    news_s: float = field(default_factory=time.monotonic)

    def look(self) -> list[Event]:
        """What has happened since the last look."""
        found: list[Event] = []
        while True:
            entries = self.store.entries(self.model.run_id, self.model.position, PAGE)
            found += [event for event in self.model.take(entries) if event.seq > self.after]
            if entries:
                self.news_s = time.monotonic()
            if len(entries) < PAGE and not self.go_on():
                return found

    def go_on(self) -> bool:
        """Follows the run that goes on for this one, if it has continued as new; not if that is deleted by now."""
        model = next_model(self.store, self.model)
        if model is None:
            return False
        self.model, self.after = model, 0
        return True

    @property
    def is_over(self) -> bool:
        """The run is, and no other one goes on for it."""
        return self.model.is_over and not self.model.goes_on_as

    @property
    def pace_s(self) -> float:
        return ACTIVE_S if self.quiet_s < SETTLED_S else QUIET_S

    @property
    def quiet_s(self) -> float:
        return time.monotonic() - self.news_s

    @property
    def waits_for_somebody(self) -> bool:
        """Nothing goes on until a person answers, or the code is another."""
        if self.model.waits_for_person or (self.model.status == CODE and self.does_not_render()):
            return True
        return self.quiet_s > SETTLED_S and self.waits_below()

    def waits_below(self) -> bool:
        """Only people can go on, with a run that a subflow of this one has started."""
        running = self.model.in_state(RUNNING)
        if not running or not any(row.command.kind == "subflow" for row in self.store.open_commands(self.model.run_id)):
            return False
        return waits_for_people(self.store, self.store.run(self.model.run_id))

    def does_not_render(self) -> bool:
        """A run whose code still does not render says nothing new: it is given some time."""
        if self.model.in_state(RUNNING) or self.quiet_s < RENDER_AGAIN_S:
            return False
        return render_failure(self.store, self.store.run(self.model.run_id)) is not None
