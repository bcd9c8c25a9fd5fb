"""A described tree (`smithers.engine.preview.preview`) as text and as a Mermaid flowchart."""

from __future__ import annotations

from smithers.engine.entry import Json


def with_states(tree: Json, states: dict[str, str]) -> Json:
    """The same tree, with the state of each node by its id."""
    found = dict(tree)
    if tree.get("id") in states:
        found["state"] = states[tree["id"]]
    if "children" in tree:
        found["children"] = [with_states(child, states) for child in tree["children"]]
    return found


def text_tree(tree: Json) -> list[str]:
    return [f"{tree['id']} (workflow)", *branches(tree.get("children", []), "")]


def branches(children: list[Json], indent: str) -> list[str]:
    lines: list[str] = []
    for at, child in enumerate(children):
        last = at == len(children) - 1
        lines.append(f"{indent}{'└─ ' if last else '├─ '}{told(child)}")
        lines += branches(child.get("children", []), indent + ("   " if last else "│  "))
    return lines


def told(child: Json) -> str:
    """One element: what it is, its id, and what a person wants to know of it."""
    kind, id = child["kind"], child.get("id") or ""
    if kind == "part":
        reads = child.get("waits_for")
        return f"(renders when {reads} has an output)" if reads else "(part)"
    words = [id or kind]
    if id:
        produces = f" -> {child['output']}" if child.get("output") else ""
        words.append(f"[{kind}{produces}]")
    if kind == "loop":
        most = child.get("max_iterations")
        words.append(f"at most {most} times" if most else "without end")
    if child.get("max_concurrency"):
        words.append(f"{child['max_concurrency']} at a time")
    if child.get("label"):
        words.append(f'"{child["label"]}"')
    if child.get("depends_on"):
        words.append(f"after {', '.join(child['depends_on'])}")
    if child.get("state"):
        words.append(f"({child['state']})")
    return " ".join(words)


EVENTS = {"wait-for-event": ("[/", "/]"), "signal": ("[/", "/]")}
SHAPES = {"approval": ("{{", "}}"), "timer": ("([", "])"), **EVENTS, "loop": ("[[", "]]"), "part": (">", "]")}


def mermaid(tree: Json) -> list[str]:
    """Boxes by the tree, arrows by the order: a sequence follows, what is parallel stands side by side."""
    lines = ["flowchart TD"]
    chart = Chart(lines)
    chart.sequence(tree.get("children", []), [])
    return lines


class Chart:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.count = 0
        self.by_id: dict[str, str] = {}

    def sequence(self, children: list[Json], before: list[str]) -> list[str]:
        """Draws one after the other and returns the last boxes."""
        for child in children:
            before = self.draw(child, before) or before
        return before

    def draw(self, child: Json, before: list[str]) -> list[str]:
        kind = child["kind"]
        inner: list[Json] = child.get("children", [])
        if kind in ("parallel", "merge-queue"):
            return [end for one in inner for end in self.draw(one, before)]
        if kind == "sequence" or (kind == "part" and inner):
            return self.sequence(inner, before)
        box = self.box(child, before)
        if kind != "loop" or not inner:
            return [box]
        ends = self.sequence(inner, [box])
        self.lines += [f"  {end} -. again .-> {box}" for end in ends]
        return ends

    def box(self, child: Json, before: list[str]) -> str:
        self.count += 1
        name = f"n{self.count}"
        left, right = SHAPES.get(child["kind"], ("[", "]"))
        text = child.get("id") or f"when {child.get('waits_for', '...')} is there"
        text = str(text if not child.get("label") else f"{text}: {child['label']}").replace('"', "'")
        self.lines.append(f'  {name}{left}"{text}"{right}')
        self.lines += [f"  {one} --> {name}" for one in before]
        if child.get("id"):
            self.by_id[child["id"]] = name
        self.lines += [f"  {self.by_id[one]} -.-> {name}" for one in child.get("depends_on", []) if one in self.by_id]
        return name
