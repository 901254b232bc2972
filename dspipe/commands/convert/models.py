"""A trained model's folder → one of Hugging Face's, and such a folder → a model to go on with.

Everything is written into a folder beside the one asked for, which takes its name when all is there: what has
the name is whole.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import xxhash

from dspipe.commands.terminal import plain, print_json, show_size
from dspipe.recipe import DspipeError, Export, RecipeError
from dspipe.shards import (
    Artifact,
    Counts,
    Header,
    Output,
    Part,
    record_file,
    remove_tree,
    sync,
    write_file,
)

if TYPE_CHECKING:
    from dspipe.model.checkpoint.description import Description
    from dspipe.model.checkpoint.folders import Written

RECIPE = "recipe.json"
Report = Callable[[int, int], None]


def export_model(model: Artifact, target: Path, settings: Export, force: bool, as_json: bool) -> None:
    """Write a model of ours as Hugging Face's."""
    from dspipe.model.checkpoint.folders import export_model as export

    with replacing_folder(target, force) as folder, watching() as report:
        written = export(model, folder, settings, report)
    show(written, written.parts, target, f"Hugging Face {settings.dtype}", as_json)


def import_model(
    source: Path, target: Path, dtype: str | None, multi_token: bool, force: bool, as_json: bool
) -> None:
    """Write a folder of Hugging Face's as a model of ours, in float32."""
    from dspipe.model.checkpoint.folders import open_hugging_face, read_hugging_face, write_model

    if dtype not in (None, "f32"):
        raise RecipeError(f"{source}: becomes a model of dspipe's, which is float32; leave out --dtype")
    description, weights = open_hugging_face(source, multi_token)
    model, rows = description.model, description.vocabulary
    with replacing_folder(target, force) as folder, watching() as report:
        tensors = read_hugging_face(description, weights)
        written = write_model(folder, tensors, model, rows, Export().shard_bytes, report)
        parts = [*written.parts, *write_companions(source, folder, description)]
        close_model(folder, description, written, parts)
    show(written, parts, target, "model float32", as_json)


def write_companions(source: Path, folder: Path, description: Description) -> list[Part]:
    """What a trained model has beside its weights: recipe and tokenizer, the latter to pack with, too."""
    from dspipe.model.checkpoint.folders import copy_tokenizer

    recipe = {"train": {"model": description.model}}
    write_file(folder / RECIPE, msgspec.json.format(msgspec.json.encode(recipe)) + b"\n")
    names = copy_tokenizer(source, folder)
    if names:
        write_tokenizer(folder, description.vocabulary)
    return [record_file(folder, name, 1) for name in (RECIPE, *names)]


def write_tokenizer(model: Path, rows: int) -> None:
    """An artifact `tokenizer` within the model's folder, so that rows can be packed for this very model."""
    from dspipe.bpe.encoding.encoder import Encoder
    from dspipe.model.checkpoint.folders import copy_tokenizer

    size = Encoder(model).size
    if size > rows:
        raise DspipeError(
            f"{model}: the tokenizer has {size:,} tokens, and the model rows for {rows:,} alone"
        )
    names = copy_tokenizer(model, model / "tokenizer")
    parts = [record_file(model / "tokenizer", name, size if n == 0 else 1) for n, name in enumerate(names)]
    header = Header("convert", 1, {}, identify(parts, rows), [])
    Output(model / "tokenizer", header).close(
        parts, Counts(0, 0), facts={"vocabulary": size, "model_rows": rows, "line": [f"{size:,} tokens"]}
    )


def close_model(folder: Path, description: Description, written: Written, parts: list[Part]) -> None:
    """Write the manifest by which later stages know the folder; its fingerprint is of what is in it."""
    settings = {"model": msgspec.to_builtins(description.model)}
    facts = {
        "vocabulary": description.vocabulary,
        "sequence_length": description.max_positions,
        "extended": description.model.yarn is not None,
        "line": [f"{written.numbers:,} numbers in {written.tensors} tensors, from {description.family}"],
    }
    header = Header("convert", 1, settings, identify(parts, settings), [])
    Output(folder, header, "model").close(parts, Counts(0, 0), facts=facts)


def identify(parts: list[Part], settings: Any) -> str:
    content = msgspec.json.encode([settings, parts], order="deterministic")
    return xxhash.xxh3_128_hexdigest(content)


@contextmanager
def replacing_folder(target: Path, force: bool) -> Iterator[Path]:
    """Yield a folder to fill, which takes the name of `target` on success; else it is deleted.

    What has that name is moved aside, never deleted: whether it can go is not for a program to know.
    """
    target = Path(os.path.abspath(target))
    refuse_folder(target, force)
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*.tmp"):
        if not is_running(left.suffixes[-2][1:]):  # it was killed
            remove_tree(left)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            aside = find_aside(target)
            os.rename(target, aside)
            click.echo(f"{plain(target)}: what was there is now {plain(aside)}", err=True)
        os.rename(temporary, target)
        sync(target.parent)
    finally:
        remove_tree(temporary)


def refuse_folder(target: Path, force: bool) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise RecipeError(f"{target}: is a file or a link; a model is a folder, give another name")
    if target.is_dir() and any(target.iterdir()) and not force:
        raise RecipeError(f"{target}: is there already; add --force to move it aside, or give another name")


def find_aside(target: Path) -> Path:
    """The first free name: NAME.old-1, NAME.old-2, …"""
    names = (target.with_name(f"{target.name}.old-{number}") for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def is_running(process: str) -> bool:
    return process.isdigit() and Path(f"/proc/{process}").exists()


@contextmanager
def watching() -> Iterator[Report]:
    """On a terminal a bar, else nothing."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import progress
    from rich.console import Console

    with progress.Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("convert", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def show(written: Written, parts: list[Part], target: Path, form: str, as_json: bool) -> None:
    size, files = sum(part.bytes for part in parts), [str(target / part.file) for part in parts]
    if as_json:
        kind, _, dtype = form.rpartition(" ")
        content = {"format": kind.lower().replace(" ", "-"), "type": dtype, "tensors": written.tensors}
        return print_json(content | {"numbers": written.numbers, "bytes": size, "files": files})
    click.echo(f"{written.numbers:,} numbers in {written.tensors} tensors as {form}, {show_size(size)}")
    for file in files:
        click.echo(f"  {plain(file)}")
