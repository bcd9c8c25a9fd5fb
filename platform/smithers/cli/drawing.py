"""Tables and words with colour. Imports rich, so that commands import this only when they draw."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from smithers.cli.views.nodes import COLOURS, SYMBOLS


def plain_table(*columns: str) -> Table:
    """Columns with two spaces between them and no lines: readable by people and by `awk`."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    return table


def state_text(state: str) -> Text:
    return Text(state, style=COLOURS.get(state, ""))


def symbol_text(state: str) -> Text:
    return Text(SYMBOLS.get(state, " "), style=COLOURS.get(state, ""))
