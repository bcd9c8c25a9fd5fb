"""Every error code, what it means, and what to do: the one list that commands, documents and programs read.

An error crosses borders as `{code, message, data}`. The message is about the case at hand; what is said here holds for
every case. Codes are the reference's (page errors) where they mean the same. Authors may use codes of their own
(`NonRetryable("...", code="CARD_DECLINED")`), which are not in this list and travel in the same way.

`docs/errors.md` is written from this file; `smithers explain CODE` prints one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Area = Literal["workflow", "input", "task", "people", "event", "run", "store", "server", "command"]


@dataclass(frozen=True, slots=True)
class Code:
    """One code."""

    name: str
    area: Area
    meaning: str
    advice: str
    data: tuple[str, ...] = ()
    """What `data` holds besides `code`, where that can be relied upon."""


def code(name: str) -> Code | None:
    """The definition of a code; None for one that is an author's own."""
    return CODES.get(name)


def is_known(name: str) -> bool:
    """Whether it is one of ours, and not an author's own."""
    return name in CODES


RESUME = "Then `smithers up --resume RUN`."
RAISE = "Raise max_iterations, or let it go on with `return-last`."
WHY = "`smithers why RUN` says more."

LIST: Final = (
    Code("SMITHERS_ERROR", "run", "Something went wrong that has no code of its own.", "Read the message."),
    # the author's file and tree
    Code(
        "AUTHORING_ERROR", "workflow", "The workflow's source is wrong.", "Put the line right that the message names."
    ),
    Code(
        "WORKFLOW_FILE",
        "workflow",
        "The workflow file cannot be loaded: it is missing, or raises an error when it is imported.",
        "Put the line right that the message names, or the path.",
        ("file",),
    ),
    Code(
        "WORKFLOW_MISSING_DEFAULT",
        "workflow",
        "The file holds no workflow.",
        "Write @workflow above the function that returns the tree.",
        ("file",),
    ),
    Code(
        "WORKFLOW_AMBIGUOUS",
        "workflow",
        "The file holds several workflows.",
        "Keep one in it, and move the others to files of their own.",
        ("file",),
    ),
    Code(
        "INVALID_ELEMENT",
        "workflow",
        "An element was written with props or children that make no sense.",
        "Put the line right that `where` names.",
        ("where",),
    ),
    Code("TASK_ID_REQUIRED", "workflow", "A task has no id.", 'Give it one as a text: Task("build", ...).', ("where",)),
    Code(
        "TASK_MISSING_OUTPUT",
        "workflow",
        "A task does not say what it produces.",
        "Give it a pydantic model class: output=Model.",
        ("where", "nodeId"),
    ),
    Code("RENDER_ERROR", "workflow", "The tree cannot be rendered, or makes no sense.", "Put the author's line right."),
    Code(
        "DUPLICATE_ID",
        "workflow",
        "Two elements of the tree have one id.",
        "Put a loop's variable or a parent's id into the ids.",
        ("kind", "id"),
    ),
    Code(
        "UNKNOWN_DEPENDENCY",
        "workflow",
        "A task waits for an id that is not in the tree.",
        "Put the id right, or the key of `needs` that leads to it.",
    ),
    Code("CYCLE", "workflow", "Tasks wait for each other.", "Remove one of the dependencies that the message lists."),
    Code(
        "QUEUE_LIMITS",
        "workflow",
        "Two limits are given for one queue.",
        "Give the queue the same limit everywhere, or only in [queues] of smithers.toml.",
    ),
    Code(
        "DEPENDENCY_DEADLOCK",
        "workflow",
        "Nothing can run, and nothing is waited for.",
        "Remove one of the dependencies that the message lists.",
    ),
    Code(
        "LATE_BINDING",
        "workflow",
        "Functions made in a loop share its variable, so that all would see its last value.",
        "Hand the value over: Task(...)[call(function, value)].",
    ),
    Code(
        "UNSTABLE_ID",
        "workflow",
        "An id is another one at every render.",
        "Make ids of the input or of outputs; not of the clock, random numbers or uuids.",
    ),
    Code(
        "MISSING_OUTPUT",
        "workflow",
        "An output is read that is not there and will not come.",
        "Put the id right, or read it with ctx.output_maybe.",
        ("node",),
    ),
    Code(
        "CONTEXT_OUTSIDE_WORKFLOW",
        "workflow",
        "The context is read while nothing renders.",
        "Read in the workflow function or in a function used as a child; hand values over with call(fn, value).",
    ),
    Code(
        "RENDER_TIMEOUT",
        "workflow",
        "Rendering took too long.",
        "Leave waiting, files and network to tasks: rendering only describes.",
    ),
    Code(
        "RENDER_DIED",
        "workflow",
        "Rendering took its process with it.",
        "Look for what ends the process, or uses up its memory, in functions that render.",
    ),
    Code(
        "CODE_CHANGED",
        "workflow",
        "The run was started with other code than the file holds now.",
        "`smithers up --resume RUN --follow` goes on with the new code; or put the old one back.",
    ),
    # requests
    Code("INPUT_ERROR", "input", "The request is wrong.", "Put right what the message names."),
    Code("INVALID_INPUT", "input", "The run's input does not fit.", "Put the named fields right.", ("fields",)),
    Code("RUN_NOT_FOUND", "input", "There is no such run.", "`smithers ps` lists the runs.", ("run_id",)),
    Code("RUN_AMBIGUOUS", "input", "Several runs begin like this.", "Give more of the id.", ("runs",)),
    Code("RUN_ALREADY_EXISTS", "input", "The run id is taken.", "Take another one, or leave it out."),
    Code(
        "IDEMPOTENCY_CONFLICT",
        "input",
        "The idempotency key stands for a run with another workflow or input.",
        "Use a key of its own for each request.",
    ),
    Code("NODE_NOT_FOUND", "input", "The run has no such node.", "`smithers inspect RUN` lists its nodes.", ("node",)),
    Code("COMMAND_NOT_FOUND", "input", "The run has no such command.", WHY),
    Code("SCHEDULE_NOT_FOUND", "input", "There is no such schedule.", "`smithers cron list` lists them."),
    Code("SCHEDULE_EXISTS", "input", "The schedule's name is taken.", "Take another, or `cron add --replace`."),
    Code("WRONG_STATE", "input", "The target is not in a state that allows this.", "`smithers inspect RUN` shows it."),
    # tasks
    Code(
        "TASK_FAILED", "task", "The task's body raised an error.", f"Mend it. {RESUME}", ("type", "where", "traceback")
    ),
    Code(
        "INVALID_OUTPUT",
        "task",
        "An output does not fit its model.",
        "Return what the model wants, or change the model.",
    ),
    Code(
        "TASK_TIMEOUT",
        "task",
        "An attempt took longer than the task's timeout.",
        "Give it more time, or less to do.",
        ("node_id", "attempt", "timeout_ms"),
    ),
    Code(
        "TASK_ABORTED",
        "task",
        "The task was asked to stop: its run is cancelled, it is not wanted any more, or its worker shuts down.",
        "Nothing, where that was meant.",
        ("reason",),
    ),
    Code(
        "BODY_DIED",
        "task",
        "The process in which a task ran alone ended without an answer.",
        "Look for what ends the process: want of memory, a crash in a library, os._exit.",
    ),
    Code(
        "KILLED_WORKER",
        "task",
        "A task has taken three processes with it; it is not tried again.",
        f"Look for what ends the process. {RESUME}",
    ),
    Code("NON_RETRYABLE", "task", "The task says that trying again is useless.", f"Mend the cause. {RESUME}"),
    # people
    Code("ANSWER_REFUSED", "people", "The answer is not taken.", "Read the message: it says what is asked."),
    Code("NOT_ALLOWED", "people", "This person may not decide this.", "Let one of those decide who are named."),
    Code("INVALID_CHOICE", "people", "The answer is none of the options.", "Give one that is listed.", ("options",)),
    Code("INVALID_ANSWER", "people", "The answer does not fit the form.", "Put the named fields right.", ("fields",)),
    Code("ALREADY_VOTED", "people", "This person has approved already; several must.", "Let somebody else approve."),
    Code(
        "NOT_VOTED", "people", "There is no approval of this person to take back.", "Nothing, or give another `--by`."
    ),
    Code("INVALID_DELEGATE", "people", "It cannot be handed to this user.", "Name somebody else.", ("to",)),
    Code("ALREADY_DECIDED", "people", "Somebody has answered before.", "Nothing: that answer counts."),
    Code("APPROVAL_AMBIGUOUS", "people", "Several questions are open.", "Name the node that is meant."),
    Code("APPROVAL_DENIED", "people", "A person has denied.", "`up --resume` asks again; so does `retry-task`."),
    Code("APPROVAL_TIMEOUT", "people", "Nobody has answered in time.", "`up --resume` asks again."),
    Code("HUMAN_TASK_CANCELLED", "people", "A person has given the request up.", "`up --resume` asks again."),
    Code(
        "HUMAN_ATTEMPTS_EXHAUSTED",
        "people",
        "No answer fitted, as often as it was asked.",
        "Say in the prompt what is wanted, or raise max_attempts; `up --resume` asks again.",
    ),
    # events
    Code("INVALID_PAYLOAD", "event", "The event's payload does not fit who waits.", "Put the named fields right."),
    Code("EVENT_TIMEOUT", "event", "The event has not come in time.", "`up --resume` waits again."),
    # subflows, budgets, the cache
    Code(
        "WORKFLOW_EXECUTION_FAILED",
        "run",
        "The run of a subflow has failed or was cancelled.",
        "`smithers why` with the child's run id. A resumed parent resumes the child.",
        ("run_id",),
    ),
    Code("SUBFLOW_NOT_FOUND", "workflow", "The workflow of a subflow cannot be imported.", "Put it at a module's top."),
    Code(
        "CONTINUES_WITHOUT_WORK",
        "workflow",
        "Runs continue as new one after the other, without doing anything.",
        "Put work or a wait before ContinueAsNew, or give it a condition.",
    ),
    Code(
        "CARRIED_STATE_INVALID",
        "workflow",
        "What the run before has carried on does not fit the model it is read as.",
        "Read it with the model that ContinueAsNew was given; give new fields defaults.",
    ),
    Code("SUBFLOW_TOO_DEEP", "workflow", "Subflows start each other without an end.", "Mend what ends the recursion."),
    Code("ASPECT_BUDGET_EXCEEDED", "run", "A budget of Aspects is spent.", f"Raise it. {RESUME}"),
    Code("CACHE_KEY", "workflow", "What a task's cache depends on is no JSON, or raised.", "Mend `cache=...(by=...)`."),
    Code(
        "DEP_NOT_SATISFIED",
        "run",
        "What a task depends on will never come, and nothing else can go on.",
        "Let the task depend on what is in the tree, or mark it skip_if.",
    ),
    # runs and groups
    Code("LOOP_MAX_REACHED", "run", "A loop has done its last pass, and its condition does not hold.", RAISE),
    Code("GROUP_TIMEOUT", "run", "A group has not ended in its time.", f"Give it more time, or less to do. {RESUME}"),
    Code("STOPPED", "run", "A block was stopped before its end; its cleanup is told so.", "Nothing."),
    Code("RUN_ERROR", "run", "The run has not finished, and its outputs are wanted.", WHY, ("run_id", "status")),
    Code("RUN_FAILED", "run", "The run has failed.", WHY, ("run_id", "status", "error")),
    Code("RUN_CANCELLED", "run", "The run was cancelled.", "Start another one.", ("run_id", "status")),
    Code("RUN_WAITING", "run", "The run waits for a person, a time, an event or new code.", WHY, ("run_id", "status")),
    Code("UNKNOWN", "run", "No reason was stored.", "`smithers events RUN` shows what happened."),
    # the store
    Code("STORE_ERROR", "store", "The store did not do it.", "`smithers doctor` checks it."),
    Code("STORE_UNAVAILABLE", "store", "The store is locked, full or away.", "Make room, or try again later."),
    Code("STORE_MISSING", "store", "Nothing has ever run here.", "Go to the project's folder, or `smithers up FILE`."),
    Code("STORE_VERSION", "store", "A newer version has written the store.", "Install that version."),
    Code("STORE_DAMAGED", "store", "The store cannot be read.", "Put a backup back."),
    Code(
        "SOURCES_MISSING",
        "store",
        "The store does not have the sources of the code that the run is pinned to.",
        "Put the file back as it was, or go on with `up --resume RUN --follow`.",
        ("digest",),
    ),
    Code("STALE_EPOCH", "store", "The run was resumed or driven again; this writer must end.", "Nothing."),
    # Temporal
    Code("SERVER_ERROR", "server", "Temporal is not usable.", "`smithers doctor` checks it."),
    Code("TEMPORAL_UNAVAILABLE", "server", "No Temporal server answers.", "Try again; `smithers doctor` checks it."),
    Code("TEMPORAL_MISSING", "server", "There is no Temporal binary.", "Do one of what the message lists."),
    Code(
        "WORKFLOW_TAKEN",
        "server",
        "Another project has a workflow with the run's id in the same namespace of Temporal.",
        "Set `TEMPORAL_NAMESPACE` to one of this project's own, then `up --resume RUN`.",
        ("run", "queue", "namespace"),
    ),
    # commands
    Code("USAGE", "command", "The command line cannot be understood.", "`smithers COMMAND --help`."),
    Code("INVALID_EVENTS_OPTIONS", "command", "Options of `smithers events` make no sense.", "See its `--help`."),
    Code("INTERRUPTED", "command", "The command was interrupted before it started anything.", "Nothing was made."),
    Code("WORKER_DIED", "command", "The worker process died again and again.", f"Mend the task that ends it. {RESUME}"),
    Code("INTERNAL_ERROR", "command", "This is a bug in Smithers.", "Report it with the traceback."),
)
CODES: Final = {one.name: one for one in LIST}
KNOWN: Final = tuple(CODES)
"""All codes of ours."""
