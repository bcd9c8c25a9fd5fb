"""`smithers why`: what a run waits for, or what it died of."""

from __future__ import annotations

from smithers.cli.options import FormOption, RunArgument
from smithers.cli.output import Form
from smithers.cli.session import session
from smithers.cli.times import ago, now_ms
from smithers.cli.views.why import Reason, Why, explain
from smithers.cli.views.workers import local_workers

KINDS = {"task": "→", "queue": "○", "backoff": "↻", "timer": "⏱", "failure": "✗", "code": "✗", "worker": "!", "more": " "}


def command(run: RunArgument = None, form: FormOption = Form.plain) -> int:
    """Says what a run waits for, or why it failed, and what to do."""
    with session(form) as here:
        found = here.run(run)
        why = explain(here.store, found, has_worker=bool(local_workers(here.project)))
        if here.out.is_json:
            here.out.document(why.wire())
        else:
            here.out.lines(told(why))
    return 0


def told(why: Why) -> list[str]:
    lines = [f"{why.run.run_id} ({why.run.workflow}): {why.summary}"]
    for reason in why.reasons:
        lines += ["", *told_reason(reason)]
    return lines


def told_reason(reason: Reason) -> list[str]:
    first, *rest = reason.text.splitlines()
    since = f", since {ago(reason.since_ms, now_ms())}" if reason.since_ms and reason.kind not in ("task", "failure") else ""
    lines = [f"{KINDS.get(reason.kind, '⏸')} {first}{since.replace(' ago', '')}", *(f"  {line}" for line in rest)]
    if reason.unblock:
        lines.append(f"  to go on: {reason.unblock}")
    if reason.command:
        lines.append(f"    {reason.command}")
    return lines
