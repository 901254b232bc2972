"""Assembles source files in seven languages from the functions in ``code/``."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from .grammar import jaccard, shingles

CODE_DIR = Path(__file__).resolve().parent / "code"
ITEMS = (
    "kettle",
    "loaf",
    "hive",
    "lamp",
    "bridge",
    "clock",
    "garden",
    "ticket",
    "parcel",
    "wheel",
    "letter",
    "map",
    "barge",
    "spoon",
    "ladder",
    "coin",
    "basket",
    "anchor",
    "window",
    "engine",
    "stamp",
    "bell",
)
PLURALS = {"loaf": "loaves"}
PURPOSES = (
    "Helpers for the {items} of the village museum.",
    "Small tools that keep track of {items}.",
    "Part of the {item} register.",
    "Bookkeeping for a {item} workshop.",
    "Exercises with {items}, kept simple on purpose.",
    "Used by the weekly {item} report.",
)


@dataclass(frozen=True)
class Style:
    """How files of one language look: name, ending, comment sign and how many functions they get."""

    name: str
    ending: str
    comment: str
    count: int
    sizes: tuple[int, int]


STYLES = (
    Style("Python", "py", "#", 58, (3, 5)),
    Style("C", "c", "//", 34, (3, 5)),
    Style("Rust", "rs", "//", 32, (3, 5)),
    Style("JavaScript", "js", "//", 32, (3, 5)),
    Style("Go", "go", "//", 32, (3, 5)),
    Style("SQL", "sql", "--", 22, (5, 7)),
    Style("Shell", "sh", "#", 22, (4, 6)),
)


@dataclass
class Snippet:
    """One function with the imports it needs and lines that show its use."""

    body: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    demo: list[str] = field(default_factory=list)


def snippets(name: str) -> list[Snippet]:
    """Parse ``code/<name>.txt``."""
    found: list[Snippet] = []
    for line in (CODE_DIR / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("%% "):
            found.append(Snippet())
        elif line.startswith("%imp "):
            found[-1].imports.append(line[5:])
        elif line.startswith("%demo "):
            found[-1].demo.append(line[6:])
        else:
            found[-1].body.append(line)
    return found


def _frame(style: Style, imports: list[str], bodies: list[str], demo: list[str], note: str) -> str:
    """Put the parts in the order the language wants."""
    body = ("\n\n\n" if style.ending == "py" else "\n\n").join(bodies)
    if style.ending == "py":
        shown = "\n".join("    " + line for line in demo)
        head = f'"""{note}"""\n\n' + "".join(line + "\n" for line in imports) + ("\n\n" if imports else "")
        return f'{head}{body}\n\n\nif __name__ == "__main__":\n{shown}\n'
    if style.ending == "c":
        lines = sorted([*imports, "#include <stdio.h>"])
        shown = "\n".join("    " + line for line in demo)
        start = "\n".join([f"/* {note} */", *lines])
        return f"{start}\n\n{body}\n\nint main(void)\n{{\n{shown}\n    return 0;\n}}\n"
    if style.ending == "go":
        names = "".join(f"\t{name}\n" for name in sorted([*imports, '"fmt"']))
        shown = "\n".join("\t" + line for line in demo)
        return f"// {note}\npackage main\n\nimport (\n{names})\n\n{body}\n\nfunc main() {{\n{shown}\n}}\n"
    if style.ending == "rs":
        shown = "\n".join("    " + line for line in demo)
        uses = "\n".join(imports) + "\n\n" if imports else ""
        return f"//! {note}\n\n{uses}{body}\n\nfn main() {{\n{shown}\n}}\n"
    start = "#!/bin/bash\n" if style.ending == "sh" else ""
    middle = "set -u\n\n" if style.ending == "sh" else ""
    shown = "\n" + "\n".join(demo) + "\n" if demo else ""
    return f"{start}{style.comment} {note}\n{middle}\n{body}\n{shown}"


def _write(style: Style, pieces: list[Snippet], rng: random.Random) -> tuple[str, str]:
    """The text of one file and the word it is about."""
    item = rng.choice(ITEMS)
    low, high = style.sizes
    indices = sorted(rng.sample(range(len(pieces)), rng.randint(low, high)))
    order = indices if style.ending == "sql" else rng.sample(indices, len(indices))
    chosen = [pieces[i] for i in order]
    imports = sorted({line for piece in chosen for line in piece.imports})
    demo = [line for piece in chosen for line in piece.demo]
    plural = PLURALS.get(item, item + "s")
    note = rng.choice(PURPOSES).format(item=item, items=plural)
    text = _frame(style, imports, ["\n".join(piece.body).strip("\n") for piece in chosen], demo, note)
    names = {
        "@item@": item,
        "@items@": plural,
        "@Item@": item.title(),
        "@Items@": plural.title(),
        "@UP@": item.upper(),
    }
    for mark, word in names.items():
        text = text.replace(mark, word)
    while "@N@" in text:
        text = text.replace("@N@", str(rng.randint(6, 90)), 1)
    return text, item


def _row(number: int, text: str, style: Style, path: str) -> dict[str, str]:
    project = ("village-tools", "workshop-scripts", "small-exercises", "museum-ledger")[number % 4]
    licence = ("CC0-1.0", "Apache-2.0")[number % 2]
    header = f"{style.comment} SPDX-License-Identifier: {licence}\n"
    if text.startswith("#!"):
        first, _, rest = text.partition("\n")
        text = f"{first}\n{header}{rest}"
    else:
        text = header + text
    return {
        "id": f"code-{number:04d}",
        "text": text,
        "repo": f"dspipe-sample/{project}",
        "path": path,
        "language_name": style.name,
        "license": licence,
    }


def _poor_files(number: int) -> list[dict[str, str]]:
    """A minified script and a table of digits, which a quality rule should drop."""
    javascript, python = STYLES[3], STYLES[0]
    minified = "".join(f"function f{i}(a,b){{return a*{i}+b%{i + 2}}}" for i in range(1, 60)) + "\n"
    rng = random.Random("digits")
    rows = [", ".join(str(rng.randint(10000, 99999)) for _ in range(12)) for _ in range(30)]
    digits = "TABLE = [\n    " + ",\n    ".join(rows) + ",\n]\n"
    return [
        _row(number, minified, javascript, "dist/all.min.js"),
        _row(number + 1, digits, python, "data/table.py"),
    ]


def documents() -> list[dict[str, str]]:
    """The rows of code.jsonl.gz; the last two are poor on purpose."""
    rows: list[dict[str, str]] = []
    for style in STYLES:
        pieces = snippets(style.name.lower())
        seen: list[frozenset[str]] = []
        for index in range(style.count):
            for attempt in range(300):
                text, item = _write(style, pieces, random.Random(f"{style.name}/{index}/{attempt}"))
                marks = shingles(text)
                if all(jaccard(marks, other) < 0.42 for other in seen):
                    break
            else:
                raise RuntimeError(f"files in {style.name} are too much alike")
            seen.append(marks)
            rows.append(_row(len(rows), text, style, f"src/{item}_{index}.{style.ending}"))
    return rows + _poor_files(len(rows))
