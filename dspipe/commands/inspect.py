"""`dspipe inspect`: an artifact's folder, or a recipe → what is in it, safe to print on a terminal."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec

from dspipe.commands.terminal import print_json, print_tree
from dspipe.reading import load_recipe
from dspipe.recipe import RecipeError, flatten
from dspipe.shards import Artifact, Manifest, Part, open_artifact, read_manifest

TOKENIZERS = ("tokenizer.json", "tokenizer.model")


def inspect(
    path: Path,
    rows: int,
    as_json: bool,
    reason: str | None = None,
    rule: str | None = None,
    at: float | None = None,
    clusters: bool = False,
    document: str | None = None,
    shards: Path = Path("shards"),
    beside: tuple[str, ...] = (),
    data: str | None = None,
) -> None:
    """Print schema, counts and rows of an artifact, or a recipe's settings and what follows from them."""
    if rule is not None:
        from dspipe.commands.threshold import show_threshold

        return show_threshold(path, rule, at, rows, as_json)
    if reason is not None:
        from dspipe.commands.reasons import show_reason

        return show_reason(path, reason, rows, as_json, document)
    if clusters:
        from dspipe.commands.copies.clusters import show_clusters

        return show_clusters(path, rows, as_json)
    if document is not None:
        from dspipe.commands.copies.beside import show_pairs
        from dspipe.commands.copies.evidence import open_distinct

        return show_pairs(open_distinct(path, "--id"), None, document, rows, as_json)
    if is_tokenizer(path):
        from dspipe.commands.vocabulary.report import show_vocabulary

        return show_vocabulary(path, beside, data, rows, as_json)
    if beside or data:
        raise RecipeError(
            f"{path}: no tokenizer; --beside and --data go with one, e.g. shards/smoke/tokenizer"
        )
    if path.suffix == ".toml" or path.is_file():
        from dspipe.commands.settings import show_recipe

        return show_recipe(load_recipe(path), shards, as_json)
    if read_manifest(path) is not None:
        content = describe_artifact(open_artifact(path), rows)
        return print_json(content) if as_json else print_tree(shorten_rows(content))
    raise RecipeError(f"{path}: neither a recipe nor a finished artifact; give e.g. shards/smoke/documents")


def is_tokenizer(path: Path) -> bool:
    """Whether it is one, and not a model that has its tokenizer with it."""
    manifest = read_manifest(path) if path.is_dir() else None
    if manifest is not None:
        return manifest.artifact == "tokenizer"
    return path.suffix in (".json", ".model") or any((path / name).is_file() for name in TOKENIZERS)


def describe_artifact(artifact: Artifact, rows: int) -> dict[str, Any]:
    manifest = artifact.manifest
    head = {
        key: getattr(manifest, key)
        for key in ("stage", "artifact", "version", "fingerprint", "started", "seconds")
    }
    content: dict[str, Any] = {
        **head,
        "rows": artifact.rows,
        "bytes": artifact.bytes,
        "parts": len(manifest.parts),
    }
    content |= {"settings": flatten(manifest.settings), "counts": msgspec.to_builtins(manifest.counts)}
    content |= {"facts": manifest.facts} if manifest.facts else {}
    if manifest.artifact == "sequences":
        from dspipe.commands.sample import describe_sequences

        return content | describe_sequences(artifact, rows)
    tables = [part for part in (*manifest.parts, *manifest.beside) if is_table(part)]
    for name, parts in itertools.groupby(tables, key=lambda part: name_table(part, manifest)):
        schema, sample = read_rows(artifact.folder, list(parts), rows)
        content[name] = {"schema": schema, "rows": sample}
    return content


def shorten_rows(content: dict[str, Any]) -> dict[str, Any]:
    """For people, rows of tokens are a line for each document."""
    if content["artifact"] != "sequences":
        return content
    from dspipe.commands.sample import shorten

    return shorten(content)


def name_table(part: Part, manifest: Manifest) -> str:
    """Parts in folders of their own, such as rows of different lengths, are tables of their own."""
    if part.file.startswith("unused-"):
        return "unused"
    if part.file.startswith("index-"):
        return "index"
    if part.file in {other.file for other in manifest.beside}:
        return part.file
    folder = part.file.rpartition("/")[0]
    return f"parts {folder}" if folder else "parts"


def is_table(part: Part) -> bool:
    return part.file.endswith((".parquet", ".arrow"))


def read_rows(folder: Path, parts: list[Part], most: int) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The schema of a table, and its first rows."""
    import pyarrow.dataset as dataset

    form = "parquet" if parts[0].file.endswith(".parquet") else "ipc"
    table = dataset.dataset([str(folder / part.file) for part in parts], format=form)
    return {field.name: str(field.type) for field in table.schema}, table.head(
        most
    ).to_pylist() if most else []
