"""From a request to an exit status: which screen, which policy, and what is said at the end."""

from __future__ import annotations

import os
import sys

from smithers.cli.output import Form, Out
from smithers.cli.up.finish import finish
from smithers.cli.up.keys import Dialogue, in_foreground
from smithers.cli.up.screen import Screen
from smithers.cli.up.viewer import Policy, Viewer
from smithers.project import Project
from smithers.worker.order import Order
from smithers.worker.person import whoami


def host(project: Project, order: Order, form: Form, policy: Policy) -> int:
    """Carries a run on in a worker process of its own, and shows it."""
    dialogue = Dialogue() if policy.leaves_person and not policy.leaves_timer and is_interactive(form) else None
    viewer = Viewer(project, order, screen(dialogue), policy, dialogue)
    return finish(Out(form), project, viewer.run())


def resume_run(project: Project, run_id: str, form: Form) -> int:
    return host(project, Order(str(project.root), run_id=run_id, resume=True, by=whoami()), form, Policy())


def is_interactive(form: Form) -> bool:
    """A person sits at both ends: the answer is for eyes, and keys can be read."""
    on_terminal = form is Form.plain and all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return on_terminal and in_foreground(sys.stdin.fileno())


def screen(dialogue: Dialogue | None) -> Screen:
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from smithers.cli.up.live import LiveScreen

        return LiveScreen(dialogue)
    from smithers.cli.up.lines import PlainScreen

    return PlainScreen()
