"""The earlier runs that a recipe names → manifest entries, checked before any work starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from dspipe.dedup.curve import find_bands
from dspipe.recipe import Dedup, RecipeError
from dspipe.shards import Manifest, read_manifest

SIGNED_BY = ("shingle", "unit", "hashing")  # settings without which signatures cannot be compared
SOURCE = "against"


def describe_earlier(settings: Dedup) -> list[dict[str, Any]]:
    """The earlier runs that the recipe names, as manifest entries.

    Raises:
        RecipeError: there is no such artifact, it was signed otherwise, or one that it builds on is missing;
            or no signature can be made as the recipe asks.
    """
    find_bands(settings)
    entries: list[dict[str, Any]] = []
    for number, path in enumerate(settings.against):
        manifest = read_manifest(Path(path))
        if manifest is None or manifest.artifact != "distinct":
            raise RecipeError(
                f"dedup.against: {path} is no finished `distinct`; name the folder of one, e.g. "
                "shards/other/distinct"
            )
        check_signing(settings, path, manifest)
        known = [entry["sample"] for entry in entries]
        missing = [entry for entry in manifest.inputs if entry.get("source") == SOURCE]
        if any(entry["sample"] not in known for entry in missing):
            raise RecipeError(
                f"dedup.against: {path} was made against earlier runs that are not listed before it; "
                f"list them too: {', '.join(manifest.facts.get('against', []))}"
            )
        size = sum(part.bytes for part in manifest.parts)
        entry = {"source": SOURCE, "file": str(number + 1), "bytes": size, "sample": manifest.fingerprint}
        entries.append(entry)
    return entries


def check_signing(settings: Dedup, path: str, manifest: Manifest) -> None:
    if not any(part.file.startswith("index-") for part in manifest.beside):
        raise RecipeError(f"dedup.against: {path} has no index; make it again with --rebuild dedup")
    made = msgspec.convert(manifest.settings, Dedup)
    for name in SIGNED_BY:
        if getattr(made, name) != getattr(settings, name):
            raise RecipeError(
                f"dedup.against: {path} was signed with {name} = {getattr(made, name)!r}, this recipe has "
                f"{getattr(settings, name)!r}; they must be the same"
            )
    if find_bands(made) != find_bands(settings):
        bands, rows = find_bands(made)
        raise RecipeError(
            f"dedup.against: {path} was signed otherwise; write bands = {bands} and rows = {rows} in [dedup]"
        )
