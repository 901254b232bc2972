"""A recipe → every setting, the model's size, the training's course, and which copies dedup would catch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from dspipe.commands.course import describe_course, show_course
from dspipe.commands.network import describe_network, show_network
from dspipe.commands.terminal import print_json, print_tree
from dspipe.dedup.curve import catch, find_bands
from dspipe.dedup.room import LASTING, disk_per_document
from dspipe.recipe import Dedup, Recipe, flatten
from dspipe.shards import read_manifest
from dspipe.train.schedule.course import plan_recipe

SIMILARITIES = range(50, 100, 5)  # per cent
SURE = 0.9  # with less, a pair at `similarity` is missed too often
MILLION = 1_000_000


def show_recipe(recipe: Recipe, shards: Path, as_json: bool) -> None:
    """Print the settings of a recipe and what follows from them."""
    course = plan_recipe(recipe)
    content = {
        "settings": flatten(msgspec.to_builtins(recipe)),
        "dedup": describe_dedup(recipe, shards),
        "model": describe_network(recipe, course, shards / recipe.name),
        "course": describe_course(recipe, course),
    }
    if as_json:
        return print_json(content)
    warnings = content["dedup"].pop("warnings")
    network, described = content.pop("model"), content.pop("course")
    print_tree(content)
    for line in show_network(network):
        click.echo(line)
    for line in show_course(described, recipe, course):
        click.echo(line)
    for warning in warnings:
        click.echo(f"dedup: {warning}")


def describe_dedup(recipe: Recipe, shards: Path) -> dict[str, Any]:
    """Which pairs become candidates, with what probability, and the disk that this takes."""
    settings = recipe.dedup
    bands, rows = find_bands(settings)
    per_document = disk_per_document(settings)
    documents, place = count_documents(recipe, shards / recipe.name)
    counted = MILLION if documents is None else documents
    return {
        "shingle": settings.shingle,
        "unit": settings.unit,
        "bands": bands,
        "rows": rows,
        "permutations": bands * rows,
        "catches a pair at": {
            f"{share / 100:.2f}": round(catch(share / 100, bands, rows), 4) for share in SIMILARITIES
        },
        "bytes per document": per_document | {"all": sum(per_document.values())},
        "disk": {
            "documents": counted,
            "bytes": counted * sum(per_document.values()),
            "of these stay": counted * per_document[LASTING],
        },
        "documents counted in": str(place) if place else "no run yet; for a million",
        "warnings": list(warn_of_curve(settings, bands, rows)),
    }


def warn_of_curve(settings: Dedup, bands: int, rows: int) -> Iterator[str]:
    """A sentence each, where pairs at `similarity` are missed too often."""
    if settings.measure == "containment":
        yield (
            f"pairs are caught by their Jaccard similarity, so of those with a containment of "
            f"{settings.similarity:g} the longer the one is beside the other, the more are missed"
        )
    caught = catch(settings.similarity, bands, rows)
    if caught >= SURE:
        return
    fewest = find_bands(msgspec.structs.replace(settings, bands=None, rows=None))
    yield (
        f"bands = {bands} and rows = {rows} catch a pair at similarity {settings.similarity:g} with "
        f"probability {caught:.2f} only; leave both out to have {fewest[0]} and {fewest[1]}"
    )


def count_documents(recipe: Recipe, run: Path) -> tuple[int | None, Path | None]:
    """How many documents dedup will read, at most, and the artifact that says so, where one does yet."""
    for artifact in ("filtered", "documents"):
        folder = Path(recipe.use[artifact]) if artifact in recipe.use else run / artifact
        manifest = read_manifest(folder)
        if manifest is not None:
            return sum(part.rows for part in manifest.parts), folder
    return None, None
