"""Rewrites what people type into what the parser knows, before any parser is loaded.

Three forms of the reference are understood: a workflow file without `up` (cli.global.direct-file), flags with an
explicit value (`--follow false`, `--watch=true`; cli.global.bool-explicit), and `--resume` with a run id, with a truth
value, or bare. Global options may stand before the command.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

SOURCES: Final = (".py", ".dot")
FLAGS: Final = frozenset(
    {"--detach", "--follow", "--watch", "--all", "--no-wait", "--attempts", "--mermaid", "--progress", "--dry-run"}
)
TRUTH: Final = {"true": True, "false": False}
LATEST: Final = "latest"


def normalized(argv: Sequence[str], commands: Iterable[str]) -> list[str]:
    """The same request in the parser's words. What stands behind `--` is left alone."""
    words, rest = split(argv)
    globals_, words = leading_globals(words)
    if words and words[0].endswith(SOURCES) and words[0] not in commands:
        words = ["up", *words]
    if not words:
        return [*globals_, *rest]
    command, *options = words
    if command == "up":
        options = resume(options)
    elif command == "doctor":
        options = redrive(options)
    return [command, *explicit_flags(options), *globals_, *rest]


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    words = ["--format=json" if word == "--json" else word for word in argv]
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], list(argv[at:])


def leading_globals(words: list[str]) -> tuple[list[str], list[str]]:
    """Takes `--format X` from in front of the command; it is given to the command afterwards."""
    found: list[str] = []
    while words and words[0].startswith("--format"):
        size = 1 if "=" in words[0] else 2
        found, words = [*found, *words[:size]], words[size:]
    return found, words


def explicit_flags(options: list[str]) -> list[str]:
    """All flags are off by default, so that `false` means leaving one out."""
    kept: list[str] = []
    skip = False
    for at, word in enumerate(options):
        if skip:
            skip = False
            continue
        name, equals, value = word.partition("=")
        following = options[at + 1].lower() if at + 1 < len(options) else ""
        if name not in FLAGS:
            kept.append(word)
        elif equals:
            kept += [name] if TRUTH.get(value.lower(), True) else []
        else:
            skip = following in TRUTH
            kept += [name] if TRUTH.get(following, True) else []
    return kept


def resume(options: list[str]) -> list[str]:
    """`--resume` alone means the newest run, or that of `--run-id`; with a truth value too."""
    at = next((at for at, word in enumerate(options) if word == "--resume" or word.startswith("--resume=")), None)
    if at is None:
        return options
    _, equals, value = options[at].partition("=")
    before, after = options[:at], options[at + 1 :]
    if not equals and after and not after[0].startswith("-") and not after[0].endswith(SOURCES):
        value, after = after[0], after[1:]
    truth = TRUTH.get(value.lower())
    if truth is False:
        return before + after
    return [*before, f"--resume={LATEST if truth or not value else value}", *after]


def redrive(options: list[str]) -> list[str]:
    """`--redrive` alone means every run that is not driven as its log says."""
    return [
        "--redrive-parted" if word == "--redrive" and (not following or following.startswith("-")) else word
        for word, following in zip(options, [*options[1:], ""], strict=False)
    ]
