"""The log, and projections of it. Nothing is imported here until a store is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smithers.project import Project
    from smithers.store.interface import Store

__all__ = ["open_store"]


def open_store(project: Project | str, *, create: bool) -> Store:
    """Opens the project's store, or the one at a URL. Without `create`, one that is not there is `StoreMissing`, and
    no file is made: for commands that only read. An older schema is upgraded; `StoreVersion` refuses a newer one."""
    from smithers.store.opening import open_url

    return open_url(project if isinstance(project, str) else project.store_url, create=create)
