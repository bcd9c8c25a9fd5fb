"""Words that have no place in files others will read: paths of one machine, hosts of package registries.

Hosts are configuration of the machine that installs (a mirror, an air gap), never of the code. The patterns are
written so that they do not match themselves.
"""

from __future__ import annotations

import re
from typing import Final

from scripts.checks.finding import Finding, Report
from scripts.checks.tree import Tree

FORBIDDEN: Final[dict[str, str]] = {
    r"(?<![\w.~-])/wor[k]/": "a path of one machine",
    r"/tmp/contrac[t]": "a path of one machine",
    r"py[p]i\.org|pythonh[o]sted\.org": "a registry's host: leave it to the installer's configuration",
    r"registry\.np[m]js|registry\.y[a]rnpkg": "a registry's host: leave it to the installer's configuration",
    r"proxy\.gol[a]ng\.org|sum\.gol[a]ng\.org": "a registry's host: leave it to the go command's configuration",
    r"(?i)co-authored-b[y]:|generated wit[h] \[": "a signature: authors stand in the history",
    r"^<{7} |^>{7} ": "a merge that was not finished",
}
GENERATED: Final = ("uv.lock", "package-lock.json", "go.sum")
"""Written by tools, which put into them where things came from."""


def check(tree: Tree) -> Report:
    patterns = [(re.compile(pattern, re.MULTILINE), why) for pattern, why in FORBIDDEN.items()]
    findings: list[Finding] = []
    looked_at = 0
    for path, text in tree.texts():
        if path.rpartition("/")[2] in GENERATED:
            continue
        looked_at += 1
        for pattern, why in patterns:
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                findings.append(Finding(path, line, f"{match[0]!r} is {why}"))
    return Report(tuple(sorted(findings)), f"{looked_at} files")
