"""What holds for every test. Fixtures live with the tests that use them, or in `tests/servers` and `tests/flows`."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest

pytest_plugins = ("tests.plugins.strict_skips", "tests.plugins.order", "tests.plugins.decisions")


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_open() -> Generator[None]:
    """Lets a socket, file or task that a module's tests have leaked be an error of that module, not of a later one."""
    yield
    gc.collect()


def pytest_unconfigure() -> None:
    """Lets go of Temporal's workers and clients while the interpreter is still whole.

    Without it about one process in five that ran a worker crashes at exit (temporalio 1.35 on Python 3.11), after the
    tests have passed.
    """
    gc.collect()
