"""Progress on a terminal: one picture that is drawn again while the run goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from smithers.cli.output import harmless
from smithers.cli.up.keys import Dialogue
from smithers.cli.up.lines import told
from smithers.cli.up.screen import Screen
from smithers.engine.chronicle import Event
from smithers.engine.state import ASKED, QUEUED
from smithers.views.model import RunModel, Seen
from smithers.views.nodes import COLOURS, SYMBOLS, named, told_error
from smithers.views.times import clock, now_ms, span

FRAME_S = 0.08
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
SAID = ("WorkerDied", "RenderFailed", "NodeFailed", "RunCancelRequested", "WorkflowReloaded", "RunContinuedAsNew")
"""Events that stay on the screen as lines above the picture; the rest is in it."""
ACTIVE = ("running", "cancelling", *ASKED, QUEUED, "waiting-timer", "ready")


class LiveScreen(Screen):
    is_picture = True

    def __init__(self, dialogue: Dialogue | None) -> None:
        self.console = Console(file=sys.stderr, highlight=False)
        self.dialogue = dialogue
        self.live = Live(console=self.console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self.drawn_s = 0.0

    def begin(self, model: RunModel) -> None:
        self.live.start()
        self.draw(model)

    def goes_on(self, model: RunModel) -> None:
        self.draw(model)

    def happened(self, model: RunModel, events: Sequence[Event]) -> None:
        for event in events:
            text = told(model, event) if event.type in SAID else ""
            if text:
                self.say(text)

    def tick(self, model: RunModel) -> None:
        if time.monotonic() - self.drawn_s >= FRAME_S:
            self.draw(model)

    def say(self, text: str) -> None:
        self.console.print(harmless(text), markup=False, soft_wrap=True)

    def end(self, model: RunModel) -> None:
        if self.live.is_started:
            self.draw(model, last=True)
            self.live.stop()

    def draw(self, model: RunModel, *, last: bool = False) -> None:
        self.drawn_s = time.monotonic()
        asked = self.dialogue.look(model.approvals) if self.dialogue and not last else None
        room = self.console.height - 3 - (2 if asked else 0)
        parts = [head(model), *body(model, room)]
        if asked is not None and self.dialogue is not None:
            parts += [Text(), Text(harmless(self.dialogue.prompt(asked)), style="bold yellow")]
        self.live.update(Group(*parts), refresh=True)


def head(model: RunModel) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    spinner = (
        SPINNER[int(time.monotonic() * 12) % len(SPINNER)] if not model.is_over else SYMBOLS.get(model.status, " ")
    )
    text.append(f"{spinner} ", COLOURS.get(model.status, ""))
    text.append(model.workflow, "bold")
    text.append(f"  {model.run_id}  ", "dim")
    text.append(model.status, COLOURS.get(model.status, ""))
    text.append(f"  {clock(now_ms() - model.created_ms)}", "dim")
    return text


def body(model: RunModel, room: int) -> list[Text]:
    """The nodes in the order of the tree; when they do not all fit, what is active with its neighbours, and counts."""
    nodes = sorted((seen for seen in model.nodes.values() if seen.state != "unmounted"), key=place)
    if len(nodes) <= room:
        return [row(seen) for seen in nodes]
    shown = window(nodes, max(1, room - 1))
    return [*(row(seen) for seen in shown), counts(nodes, shown)]


def place(seen: Seen) -> tuple[list[int], int]:
    """Passes of a loop follow each other; within one pass the tree's order holds."""
    return [seen.ordinal, *(int(part) for part in seen.iteration.split(".") if part.isdigit())], 0


def window(nodes: list[Seen], room: int) -> list[Seen]:
    active = [at for at, seen in enumerate(nodes) if seen.state in ACTIVE]
    first = max(0, (active[0] if active else len(nodes)) - room // 3)
    first = min(first, len(nodes) - room)
    return nodes[first : first + room]


def counts(nodes: list[Seen], shown: list[Seen]) -> Text:
    """What is not on the screen, by state."""
    visible = {id(seen) for seen in shown}
    hidden: dict[str, int] = {}
    for seen in nodes:
        if id(seen) not in visible:
            hidden[seen.state] = hidden.get(seen.state, 0) + 1
    return Text("  ... and " + ", ".join(f"{count} {state}" for state, count in hidden.items()), style="dim")


def row(seen: Seen) -> Text:
    colour = COLOURS.get(seen.state, "")
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("  " * (1 + seen.iteration.count(".") + bool(seen.iteration)))
    text.append(f"{SYMBOLS.get(seen.state, ' ')} ", colour)
    text.append(named(seen.node, seen.iteration), "" if seen.state != "pending" else "dim")
    for part, style in details(seen):
        text.append(harmless(f"  {part}"), style)
    return text


def details(seen: Seen) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if seen.attempt > 1:
        found.append((f"attempt {seen.attempt}", "yellow"))
    if seen.state in ("running", "waiting-approval", "waiting-timer", "waiting-event", QUEUED) and seen.since_ms:
        found.append((span(now_ms() - seen.since_ms), "dim"))
    elif seen.took_ms:
        found.append((span(seen.took_ms), "dim"))
    if seen.state == "waiting-approval":
        found.append((f'"{seen.title}"', "yellow"))
    elif seen.state == "waiting-event":
        found.append((str((seen.detail or {}).get("event", "")), "yellow"))
    elif seen.state == QUEUED:
        found.append((str((seen.detail or {}).get("queue", "")), "yellow"))
    elif seen.state == "failed":
        found.append((told_error(seen.error), "red"))
    elif seen.state == "running" and seen.says:
        found.append((seen.says, "dim"))
    return found
