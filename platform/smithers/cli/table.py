"""The commands by name. Their modules are imported only when one is called; this table is enough for the overview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Listed:
    name: str
    """As it is typed; of two words where several commands share the first one."""
    help: str
    panel: str

    @property
    def module(self) -> str:
        return f"smithers.cli.commands.{self.name.replace('-', '_').replace(' ', '_')}"


RUN, LOOK, DECIDE, HOST = "Run", "Look", "Decide", "Host"
COMMANDS: Final = {
    listed.name: listed
    for listed in (
        Listed("up", "Runs a workflow file, or goes on with a run.", RUN),
        Listed("graph", "Shows what a workflow file would run first, without running it.", RUN),
        Listed("ps", "Lists runs, newest first.", LOOK),
        Listed("inspect", "Shows one run: its nodes, what it waits for, its error.", LOOK),
        Listed("why", "Says what a run waits for, or why it failed, and what to do.", LOOK),
        Listed("logs", "Shows the lines that tasks have written.", LOOK),
        Listed("events", "Shows what has happened in a run, in order.", LOOK),
        Listed("node", "Shows one node: what it waits for, attempts, output.", LOOK),
        Listed("explain", "Says what an error code means, and what to do.", LOOK),
        Listed("output", "Prints the output of a run or of one node as JSON.", LOOK),
        Listed("approve", "Approves what a run waits for.", DECIDE),
        Listed("deny", "Denies what a run waits for.", DECIDE),
        Listed("human inbox", "Lists what waits for a person, over all runs.", DECIDE),
        Listed("human answer", "Answers a request of a run.", DECIDE),
        Listed("human cancel", "Cancels a request; its node fails, or what its author has said.", DECIDE),
        Listed("human delegate", "Hands a request to somebody else.", DECIDE),
        Listed("human withdraw", "Takes an approval back while more people must approve.", DECIDE),
        Listed("signal", "Sends an event to a run.", DECIDE),
        Listed("cancel", "Cancels a run; its outputs stay.", DECIDE),
        Listed("down", "Cancels every run that has not ended.", DECIDE),
        Listed("follow", "Moves a run to the code as it is now.", DECIDE),
        Listed("pause", "Pauses a run: nothing new begins in it.", DECIDE),
        Listed("unpause", "Ends the pause of a run.", DECIDE),
        Listed("amend", "Gives an open run another input.", DECIDE),
        Listed("retry-task", "Runs a task of a run again, and what began after it.", DECIDE),
        Listed("cron", "Starts runs by the clock: add, list, show, pause, unpause, trigger, backfill, rm.", HOST),
        Listed("start", "Keeps a worker for the project in the foreground.", HOST),
        Listed("stop", "Stops the workers and the local server of the project.", HOST),
        Listed("supervise", "Says which open runs are stuck and why, and rings them.", HOST),
        Listed("delete", "Deletes runs that have ended.", HOST),
        Listed("prune", "Deletes runs that have ended long ago.", HOST),
        Listed("backup", "Copies the store to a file, while it is in use.", HOST),
        Listed("restore", "Sets the store back to a copy of it.", HOST),
        Listed("cache ls", "Lists the outputs that are kept for other runs.", HOST),
        Listed("cache clear", "Forgets outputs that are kept for other runs.", HOST),
        Listed("doctor", "Checks the store, the server, the workers, and runs that are stuck.", HOST),
    )
}
GROUPS: Final = tuple(dict.fromkeys(name.split()[0] for name in COMMANDS if " " in name))
"""First words that say nothing alone."""
