"""Who may import whom: the table. `imports.py` enforces it.

    flow <- engine <- store <- temporal <- worker, server <- api, cli
                       store <- views <- worker, server

A package is listed with everything it may import besides itself and `smithers.errors`. Whoever adds a package adds a
line here and thereby says where it stands; an unknown package is a finding.
"""

from __future__ import annotations

from typing import Final

FREE: Final = ("smithers.errors", "smithers.codes")
"""Everybody may import these. They import nothing of ours."""

FLOW: Final = ("smithers.flow",)
AUTHORING: Final = (*FLOW, "smithers.components")
ENGINE: Final = (*AUTHORING, "smithers.engine")
STORE: Final = (*ENGINE, "smithers.project", "smithers.store")
TEMPORAL: Final = (*STORE, "smithers.temporal", "smithers")
"""`smithers` itself costs nothing: it holds the version, and loads the authoring names when they are used."""
LEAVES: Final = ("smithers_activities", "smithers_sandboxes", "smithers_observability")
INTERFACES: Final[tuple[str, ...]] = ()
"""Small interfaces of the platform that activities, sandboxes and observability may know besides `smithers.flow`."""

LAYERS: Final[dict[str, tuple[str, ...]]] = {
    "smithers": (*AUTHORING, "smithers.api"),  # the lazy names of `smithers/__init__.py`
    "smithers.errors": (),
    "smithers.codes": (),
    "smithers.project": (),
    "smithers.flow": (),
    "smithers.components": FLOW,
    "smithers.engine": FLOW,
    "smithers.store": STORE,
    "smithers.temporal": TEMPORAL,
    "smithers.views": STORE,
    "smithers.worker": (*TEMPORAL, "smithers.views", *LEAVES),
    "smithers.server": (*TEMPORAL, "smithers.views"),  # not worker: the API never loads an author's code
    "smithers.cli": (*TEMPORAL, "smithers.views", "smithers.worker", "smithers.server", *LEAVES),
    # Programs do what commands do, with the same code: that is in `views` and `worker`, and neither imports the other.
    "smithers.api": (*TEMPORAL, "smithers.views", "smithers.worker", *LEAVES),
    "smithers.testing": (*TEMPORAL, *LEAVES),
    "smithers_activities": (*FLOW, *INTERFACES),
    "smithers_sandboxes": (*FLOW, *INTERFACES),
    "smithers_observability": (*FLOW, *INTERFACES),
}

PURE: Final = ("smithers.flow", "smithers.components", "smithers.engine")
"""No I/O, no clock, no randomness, no threads: what they need of these is handed in."""

IMPURE: Final = frozenset({
    "asyncio", "fcntl", "glob", "http", "logging", "multiprocessing", "os", "pathlib", "random", "requests",
    "secrets", "selectors", "shutil", "signal", "socket", "sqlalchemy", "sqlite3", "ssl", "subprocess", "tempfile",
    "temporalio", "threading", "time", "urllib", "uuid",
})  # fmt: skip
CLOCKS: Final = frozenset({"now", "utcnow", "today"})
"""Methods of `datetime` and `date` that read the clock."""

ONLY_IN: Final[dict[str, tuple[str, ...]]] = {
    "temporalio": ("smithers.temporal",),
    "sqlalchemy": ("smithers.store",),
    "alembic": ("smithers.store",),
    "psycopg": ("smithers.store",),
    "sqlalchemy.orm": (),
}
"""Modules that only these packages may import; nobody, where the tuple is empty."""

EXCEPTIONS: Final[dict[tuple[str, str], str]] = {
    ("smithers.flow.task_context", "threading"): "the cancel flag is set by another thread than the body's",
    ("smithers.flow.usage", "threading"): "a body may report from several threads",
    ("smithers.flow.task_context", "asyncio"): "an async body waits for the flag on its own loop; imported when used",
}
"""(module, what it imports) -> why it may. One that is not needed any more is a finding."""
