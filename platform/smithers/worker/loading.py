"""How a process loads its code without looking for garbage in it.

Hundreds of modules are loaded, and nothing of them is ever garbage. The collector would go through all of it again and
again: a tenth of the time that loading takes, and at the interpreter's end more than everything else there together.
So it rests while modules are loaded, and what is there then is left out of its rounds for good.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from io import BufferedRandom, BufferedWriter, TextIOWrapper


def begin() -> None:
    """From here on nothing is collected."""
    gc.disable()


def loaded() -> None:
    """What is there stays until the process ends, and what comes is collected as ever. Nothing without `begin`.

    To be called before the first of the SDK's native objects is made: those must go while the interpreter is whole.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def flush_files() -> None:
    """Writes what open files still hold. The interpreter does so at its end for all that it takes apart: not for what
    hangs together in a circle and was there when all was `loaded`, such as an object of an author's module."""
    gc.unfreeze()
    for one in gc.get_objects():
        if isinstance(one, (TextIOWrapper, BufferedWriter, BufferedRandom)) and not one.closed:
            with suppress(OSError, ValueError):
                one.flush()
    gc.freeze()
