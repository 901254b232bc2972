"""`dspipe convert FROM TO`: FROM decides what is converted: packed rows, a model, another's model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click
import numpy as np

from dspipe.commands.convert import datatrove, megatron
from dspipe.commands.convert.packed import PackedRows, open_packed
from dspipe.commands.terminal import plain, print_json, show_size
from dspipe.recipe import Export, RecipeError
from dspipe.shards import open_artifact, read_manifest

DTYPES: dict[str, Literal["bfloat16", "float32", "fp8"]] = {
    "bf16": "bfloat16", "f32": "float32", "fp8": "fp8",
}  # fmt: skip


class Format(NamedTuple):
    """How a library has its rows; the name of the last file is there once all are whole."""

    endings: tuple[str, ...]
    choose_type: Callable[[PackedRows], np.dtype[Any]]
    write: Callable[[PackedRows, Path], Iterator[int]]


FORMATS = {
    "megatron": Format(megatron.ENDINGS, megatron.choose_type, megatron.write_megatron),
    "datatrove": Format(datatrove.ENDINGS, datatrove.choose_type, datatrove.write_datatrove),
}


def convert(
    source: Path,
    target: Path,
    form: str | None,
    dtype: str | None,
    multi_token: bool,
    average: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write what is at `source` as others have it, or a model of others as ours."""
    packed = open_packed(source)
    if packed is not None:
        if dtype is not None or not multi_token or average:
            raise RecipeError(f"{source}: holds packed rows; --dtype, --no-mtp and --average go with models")
        return convert_rows(source, packed, target, form, force, as_json)
    manifest = read_manifest(source) if source.is_dir() else None
    trained = manifest is not None and manifest.artifact == "model"
    if not trained and not (source / "config.json").is_file():
        raise RecipeError(
            f"{source}: nothing to convert; give packed rows, a trained model or a folder of Hugging Face's, "
            "e.g. shards/smoke/sequences/L256 or shards/smoke/model"
        )
    if form is not None:
        raise RecipeError(f"{source}: holds a model; --format goes with packed rows")
    if target.exists() and target.samefile(source):
        raise RecipeError(f"{target}: is what is to be converted; give another name")
    from dspipe.commands.convert.models import export_model, import_model

    if trained:
        settings = Export(DTYPES[dtype or "bf16"], multi_token, average)
        export_model(open_artifact(source), target, settings, force, as_json)
    elif average:
        raise RecipeError(f"{source}: is a model of others; --average goes with one that dspipe has trained")
    else:
        import_model(source, target, dtype, multi_token, force, as_json)


def convert_rows(
    source: Path, packed: PackedRows, target: Path, form: str | None, force: bool, as_json: bool
) -> None:
    """Write rows in another library's files, whose names begin as `target` does."""
    if form is None:
        raise RecipeError(f"{source}: holds packed rows; say for whom: --format {' or '.join(FORMATS)}")
    library = FORMATS[form]
    files = name_files(target, library.endings)
    refuse_existing(files, force)
    beginning = files[0].with_name(files[0].name.removesuffix(library.endings[0]))
    watch(library.write(packed, beginning), packed.count)
    report(packed, form, library.choose_type(packed).name, files, as_json)


def name_files(target: Path, endings: tuple[str, ...]) -> list[Path]:
    """The files to write; one of their names stands for the beginning of all."""
    name = next((target.name.removesuffix(end) for end in endings if target.name.endswith(end)), target.name)
    if not name or target.is_dir():
        raise RecipeError(f"{target}: give how the files' names begin, e.g. {target / 'train'}")
    return [target.with_name(name + ending) for ending in endings]


def refuse_existing(files: list[Path], force: bool) -> None:
    folders = [file for file in files if file.is_dir()]
    if folders:
        raise RecipeError(f"{folders[0]}: is a folder; give another name")
    there = [file for file in files if file.exists()]
    if there and not force:
        raise RecipeError(f"{there[0]}: is there already; add --force to write it anew, or give another name")


def watch(done: Iterator[int], total: int) -> None:
    """Do the work, on a terminal with a bar."""
    if not sys.stderr.isatty():
        for _ in done:
            pass
        return
    from rich import progress
    from rich.console import Console

    with progress.Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("convert", total=total)
        for rows in done:
            bars.update(task, completed=rows)


def report(packed: PackedRows, library: str, form: str, files: list[Path], as_json: bool) -> None:
    size = sum(file.stat().st_size for file in files)
    if as_json:
        return print_json(
            {
                "format": library,
                "rows": packed.count,
                "length": packed.length,
                "type": form,
                "bytes": size,
                "files": [str(file) for file in files],
            }
        )
    click.echo(f"{packed.count:,} rows of {packed.length:,} tokens as {form}, {show_size(size)}")
    for file in files:
        click.echo(f"  {plain(file)}")
