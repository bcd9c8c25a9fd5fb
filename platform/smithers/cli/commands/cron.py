"""`smithers cron`: runs that are started by the clock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from smithers.cli import schedules
from smithers.cli.drawing import table
from smithers.cli.inputs import pairs, read_input
from smithers.cli.options import FormOption, PriorityOption, given_options
from smithers.cli.output import Form, Out
from smithers.cli.quiet import stdout_on_stderr
from smithers.cli.schedules import Desk, desk, wire
from smithers.cli.searching import parse_moment
from smithers.engine.entry import Json
from smithers.errors import InputError
from smithers.store.records import Schedule
from smithers.temporal import schedule_times
from smithers.views.times import ago, iso, local, now_ms, parse_span

if TYPE_CHECKING:
    from smithers.temporal.schedules import Outlook

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Starts runs by the clock, as long as a `smithers start` runs in the project.",
)
OVERLAP_HELP: Final = "While the run before is open: " + "; ".join(
    f"{name}: {what}" for name, what in schedule_times.OVERLAPS.items()
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The schedule.")]
NoteOption = Annotated[str | None, typer.Option("--note", help="Why; shown with the schedule.")]


@app.command("create", hidden=True)
@app.command("add")
def add(  # shape: parameters: one per option
    words: Annotated[list[str], typer.Argument(metavar="[CRON] FILE", help="Five fields in quotes, and the workflow.")],
    every: Annotated[str, typer.Option("--every", metavar="SPAN", help="Instead of CRON: 30s, 5m, 2h, 1d.")] = "",
    zone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Of CRON, such as Europe/Berlin.")] = "UTC",
    name: Annotated[str, typer.Option("--name", help="Default: the workflow's name.")] = "",
    input: Annotated[str | None, typer.Option("--input", "-i", help="JSON object, @file, or @- for stdin.")] = None,
    overlap: Annotated[str, typer.Option("--overlap", help=OVERLAP_HELP)] = "skip",
    catch_up: Annotated[
        str, typer.Option("--catch-up", metavar="SPAN", help="How late a start may be, after nothing ran for a while.")
    ] = "1d",
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="For its runs.")] = None,
    most: Annotated[
        int | None, typer.Option("--max-concurrency", "-c", min=1, max=1000, help="At most so many tasks at once.")
    ] = None,
    priority: PriorityOption = None,
    note: NoteOption = None,
    paused: Annotated[bool, typer.Option("--paused", help="Starts nothing until `cron unpause`.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Change the schedule of this name.")] = False,
    form: FormOption = Form.plain,
) -> int:
    """Schedules a workflow. The file, the input and the tree are checked now, as `up` would; the file is loaded again
    for each run, as it is then."""
    cron, file = pattern_and_file(words, every)
    times = schedule_times.times(
        cron,
        parse_span(every, "--every") / 1000 if every else None,
        zone,
        overlap,
        parse_span(catch_up, "--catch-up") / 1000,
    )
    options = given_options(max_in_flight=most, priority=priority)
    request: Json = {
        "file": str(Path(file)),
        "input": read_input(input),
        "options": options,
        "tags": pairs(tag or [], "--tag"),
    }
    with stdout_on_stderr():
        wanted = schedules.checked(name, times, request)
    wanted = Schedule(wanted.name, wanted.when, wanted.request, paused, note or "")
    with desk(form, create=True) as here:
        made, outlook = schedules.add(here, wanted, replaces=replace)
        if here.out.is_json:
            here.out.document(wire(made, outlook))
        else:
            here.out.line(made.name)
            here.out.note(f"{schedule_times.told(made.when)}: {coming(made, outlook)}")
            say_unserved(here)
    return 0


def pattern_and_file(words: list[str], every: str) -> tuple[str, str]:
    if every and len(words) == 1:
        return "", words[0]
    if not every and len(words) == 2:
        return words[0], words[1]
    raise InputError(
        'Write `smithers cron add "0 9 * * 1-5" flow.py` (the five fields in quotes), or `smithers cron add --every 5m '
        "flow.py`."
    )


def coming(schedule: Schedule, outlook: Outlook | None) -> str:
    if schedule.paused:
        return "paused"
    at = schedules.next_ms(schedule, outlook)
    return f"next at {local(at)}" if at else "the next time is not known"


def say_unserved(here: Desk) -> None:
    if not here.is_served():
        here.out.note("Nothing is started until a `smithers start` runs in this project.")


@app.command("ls", hidden=True)
@app.command("list")
def show_all(form: FormOption = Form.plain) -> int:
    """Lists the schedules."""
    with desk(form) as here:
        every = here.store.schedules()
        known = here.outlooks(every) if every else {}
        if here.out.is_json:
            outlooks = known or {}
            here.out.document({"schedules": [wire(one, outlooks.get(one.name)) for one in every]})
            return 0
        if not every:
            here.out.note('There are no schedules. `smithers cron add "0 9 * * *" flow.py` makes one.')
            return 0
        here.out.lines(rows(every, known or {}))
        if known is None:
            here.out.note("The local Temporal server does not run, so nothing is started. `smithers start` runs it.")
        else:
            say_unserved(here)
    return 0


def rows(every: list[Schedule], known: dict[str, Outlook]) -> list[str]:
    return table(
        ("NAME", "WHEN", "WORKFLOW", "STATE", "LAST", "NEXT"),
        [
            (
                one.name,
                schedule_times.told(one.when),
                one.request["workflow"],
                "paused" if one.paused else "error" if one.error else "on",
                ago(one.last_ms, now_ms()) if one.last_ms else "-",
                local(at) if (at := schedules.next_ms(one, known.get(one.name))) else "-",
            )
            for one in every
        ],
    )


@app.command("show")
def show(name: NameArgument, form: FormOption = Form.plain) -> int:
    """Shows one schedule: what it starts, when, how it went last, and its newest runs."""
    from smithers.store.records import Search
    from smithers.worker.scheduling import TAG

    with desk(form) as here:
        one = here.store.schedule(name)
        outlook = (here.outlooks([one]) or {}).get(name)
        runs = here.store.search(Search(tags={TAG: name}, limit=5))
        document = wire(one, outlook) | {"runs": [{"runId": run.run_id, "status": run.status} for run in runs]}
        document["upcoming"] = [iso(at) for at in outlook.next_ms] if outlook and not one.paused else []
        if here.out.is_json:
            here.out.document(document)
            return 0
        here.out.lines(table(("", ""), [(key, plain(value)) for key, value in document.items()])[1:])
    return 0


def plain(value: Any) -> str:
    if isinstance(value, dict) and "message" in value:
        error = cast("Json", value)
        return f"{error['message']} [{error.get('code', '')}]"
    return "-" if value in (None, {}, []) else f"{value}"


@app.command("pause")
def pause(name: NameArgument, note: NoteOption = None, form: FormOption = Form.plain) -> int:
    """Starts nothing any more until `unpause`. Runs that are open go on."""
    return set_paused(name, note, form, is_paused=True)


@app.command("resume", hidden=True)
@app.command("unpause")
def unpause(name: NameArgument, note: NoteOption = None, form: FormOption = Form.plain) -> int:
    """Starts again from now on; what fell due meanwhile is left out (`backfill` starts it)."""
    return set_paused(name, note, form, is_paused=False)


def set_paused(name: str, note: str | None, form: Form, *, is_paused: bool) -> int:
    with desk(form) as here:
        changed = schedules.paused(here, name, note, is_paused=is_paused)
        told(here.out, {"cronId": name, "enabled": not is_paused, "note": changed.note or None})
    return 0


@app.command("trigger")
def trigger(
    name: NameArgument,
    overlap: Annotated[str, typer.Option("--overlap", help="Default: the schedule's.")] = "",
    form: FormOption = Form.plain,
) -> int:
    """Starts a run now, besides what the clock starts."""
    from smithers.temporal import schedules as temporal

    check_overlap(overlap, "")
    with desk(form) as here:
        here.hand_over(here.store.schedule(name))
        here.with_temporal(lambda client, project: temporal.trigger(client, project, name, overlap))
        told(here.out, {"cronId": name, "triggered": True})
        say_unserved(here)
    return 0


@app.command("backfill")
def backfill(
    name: NameArgument,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="2d (ago), 2026-03-01T09:30.")],
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="The same; default: now.")] = "0s",
    overlap: Annotated[str, typer.Option("--overlap", help="buffer-all starts one after another.")] = "buffer-all",
    form: FormOption = Form.plain,
) -> int:
    """Starts for every time in a span that is over. A time that has its run already starts no other."""
    from smithers.temporal import schedules as temporal

    check_overlap(overlap, "buffer-all")
    begin, end = parse_moment(since, "--since"), parse_moment(until, "--until")
    assert begin is not None
    assert end is not None
    if begin >= end or end > now_ms() + 1000:
        raise InputError(f"--since {since} --until {until} is no span that is over.")
    with desk(form) as here:
        here.hand_over(here.store.schedule(name))
        span = (begin, end)
        here.with_temporal(lambda client, project: temporal.backfill(client, project, name, span, overlap))
        told(here.out, {"cronId": name, "since": iso(begin), "until": iso(end)})
        say_unserved(here)
    return 0


def check_overlap(overlap: str, default: str) -> None:
    if overlap not in (default, *schedule_times.OVERLAPS):
        raise InputError(
            f"There is no overlap policy {overlap!r}. There are: {', '.join(schedule_times.OVERLAPS)}.", overlap=overlap
        )


@app.command("delete", hidden=True)
@app.command("rm")
def rm(name: NameArgument, form: FormOption = Form.plain) -> int:
    """Removes a schedule. Its runs stay."""
    with desk(form) as here:
        schedules.remove(here, name)
        told(here.out, {"cronId": name, "removed": True})
    return 0


@app.command("start")
def start(form: FormOption = Form.plain) -> int:
    """The same as `smithers start`: a worker that starts what falls due, and carries it on."""
    from smithers.cli.commands.start import command

    return command(None, form)


def told(out: Out, document: Json) -> None:
    if out.is_json:
        out.document(document)
        return
    what = {key: value for key, value in document.items() if key != "cronId" and value is not None}
    out.line(f"{document['cronId']}  {'  '.join(f'{key}={plain(value)}' for key, value in what.items())}")
