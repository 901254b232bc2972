"""`dspipe inspect --rule`: a rule or a signal, and a threshold → what it rejects, and documents beside it.

Which threshold is right is seen by reading what lies just on either side of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from dspipe.commands.lookup import Row, open_stage
from dspipe.commands.terminal import WIDTH, plain, print_json, print_tree, show_lines
from dspipe.recipe import Filter, RecipeError
from dspipe.shards import Artifact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dspipe.filter.rules import Ruled

QUANTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)  # per cent
LINES = 6  # of a text that is shown
MOST_CHARACTERS = 2000  # of a text, for a program
SHOWN = ["id", "source", "url", "origin", "text"]


class Values(NamedTuple):
    """A signal of the documents that a rule is for, [n] each: where they stand, and the signal."""

    part: NDArray[np.int32]
    row: NDArray[np.int64]
    value: NDArray[np.float64]


def show_threshold(path: Path, name: str, at: float | None, most: int, as_json: bool) -> None:
    """Print what a rule's bounds do, or would do `at` another value, with `most` documents on each side.

    Raises:
        RecipeError: the folder holds no signals, or there is neither such a rule nor such a signal.
    """
    signals, documents = open_stage(path.parent, "signals"), open_stage(path.parent, "documents")
    if path.name not in ("signals", "filtered") or signals is None or documents is None:
        raise RecipeError(
            f"{path}: --rule goes with the signals or the filtered documents of a run, beside its documents; "
            "give e.g. shards/smoke/filtered"
        )
    ruled, settings = find_rule(path.parent, name)
    values = read_values(signals, ruled, settings)
    content: dict[str, Any] = {"rule": name, "column": ruled.rule.column, "documents": len(values.value)}
    if not len(values.value):
        return print_json(content) if as_json else print_tree(content)
    content |= {"quantiles": find_quantiles(values.value)}
    sides = [
        describe_side(side, bound, values, documents, most)
        for side, bound in choose_bounds(ruled, at, values)
    ]
    if as_json:
        return print_json(content | {"sides": sides})
    print_tree(content)
    for side in sides:
        print_side(side)


def find_rule(run: Path, name: str) -> tuple[Ruled, Filter]:
    """The rule of a name as the run has it in force, or a rule without bounds on the signal of that name."""
    from dspipe.filter.rules import Ruled, list_columns, list_rules
    from dspipe.filter.rulesets import Rule

    filtered = open_stage(run, "filtered")
    settings = msgspec.convert(filtered.manifest.settings, Filter) if filtered else Filter()
    rules = {ruled.rule.reason: ruled for ruled in list_rules(settings)}
    if name in rules:
        return rules[name], settings
    if name not in list_columns():
        raise RecipeError(
            f"--rule {name}: there is neither such a rule nor such a signal; rules: {', '.join(rules)}; "
            f"signals: {', '.join(list_columns())}"
        )
    return Ruled(Rule(name, name), everywhere=True), settings


def read_values(signals: Artifact, ruled: Ruled, settings: Filter) -> Values:
    """The signal of all documents that the rule is for and that have one."""
    import numpy as np
    import pyarrow.parquet as pq

    from dspipe.filter import rules

    columns = list(dict.fromkeys([ruled.rule.column, "language", "domain", "extension"]))
    found: list[tuple[Any, Any, Any]] = []
    for number, file in enumerate(signals.files):
        table = pq.read_table(file, columns=columns, memory_map=True).combine_chunks()
        for batch in table.to_batches():
            values = rules.read_values(batch, ruled.rule.column).astype(np.float64)
            rows = np.flatnonzero(rules.find_held(batch, ruled, settings) & ~np.isnan(values))
            found.append((np.full(rows.size, number, np.int32), rows, values[rows]))
    return Values(*(np.concatenate(arrays) for arrays in zip(*found, strict=True))) if found else Values(
        np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0)
    )  # fmt: skip


def find_quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    import numpy as np

    found = np.percentile(values, QUANTILES)
    return {f"{share} %": float(f"{value:.6g}") for share, value in zip(QUANTILES, found, strict=True)}


def choose_bounds(ruled: Ruled, at: float | None, values: Values) -> list[tuple[str, float]]:
    """The bounds to look at; `at` takes the place of the nearer one, or of both where there are none."""
    bounds = [
        (side, bound)
        for side, bound in (("minimum", ruled.rule.minimum), ("maximum", ruled.rule.maximum))
        if bound is not None
    ]
    if at is None:
        return bounds
    if not bounds:
        return [("minimum", at), ("maximum", at)]
    nearest, _ = min(bounds, key=lambda pair: abs(pair[1] - at))
    return [(nearest, at)]


def describe_side(side: str, bound: float, values: Values, documents: Artifact, most: int) -> dict[str, Any]:
    """One bound: how many it rejects, and the documents nearest to it on both sides."""
    import numpy as np

    numbers = values.value.astype(np.float32).astype(np.float64)
    limit = float(np.float32(bound))
    out = numbers < limit if side == "minimum" else numbers > limit
    nearest = np.lexsort((values.row, values.part, np.abs(numbers - limit)))
    return {
        side: bound,
        "rejects": int(out.sum()),
        "share": round(float(out.mean()), 6),
        "rejected": [read_document(documents, values, place) for place in nearest[out[nearest]][:most]],
        "kept": [read_document(documents, values, place) for place in nearest[~out[nearest]][:most]],
    }


def read_document(documents: Artifact, values: Values, place: int) -> Row:
    """One document, by its part and row: only its row group is read."""
    import pyarrow.parquet as pq

    left = int(values.row[place])
    with pq.ParquetFile(documents.files[int(values.part[place])], memory_map=True) as file:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if left < rows:
                (row,) = file.read_row_group(group, SHOWN).slice(left, 1).to_pylist()
                break
            left -= rows
    value = float(f"{values.value[place]:.6g}")
    text = row["text"][:MOST_CHARACTERS]
    return {
        "value": value,
        "id": row["id"],
        "source": row["source"],
        "url": row["url"],
        **row["origin"],
        "text": text,
    }


def print_side(side: dict[str, Any]) -> None:
    name = "minimum" if "minimum" in side else "maximum"
    click.echo(f"\n{name} {side[name]:g} rejects {side['rejects']:,} ({100 * side['share']:.2f} %)")
    for kind in ("rejected", "kept"):
        for row in side[kind]:
            place = row["url"] or f"{row['file']}:{row['offset']}"
            click.echo(f"{kind:<8} {row['value']:g}  {row['id'][:12]}  {plain(place)}")
            lines = [line for line in show_lines(row["text"]).split("\n") if line.strip()]
            for line in lines[:LINES]:
                click.echo(f"         | {line[:WIDTH]}{'…' if len(line) > WIDTH else ''}")
