"""The settings → the page `recipes/README.md`: `python -m dspipe.keys` prints it, a test holds it to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from dspipe.reading import find_table
from dspipe.recipe import PRESETS, Recipe, Table, join


def describe_keys() -> str:
    """The page `recipes/README.md`: every key with its default and meaning."""
    lines = [README_HEAD]
    for heading, kind in walk_tables():
        lines += [f"\n## {heading}\n", "| key | default | meaning |", "|---|---|---|"]
        for field in msgspec.structs.fields(kind):
            if is_table(field.type):
                continue
            lines.append(f"| `{field.name}` | {show_default(field)} | {describe(field.type)} |")
    lines.append("\n## Presets of `[train.model]`\n")
    lines += [f"- `{name}`: {show_preset(values)}" for name, values in PRESETS.items()]
    return "\n".join(lines) + "\n"


README_HEAD = """# Every key of a recipe

One file is one run, one table is one stage. A key that is not listed here is refused. Any key can be given on
the command line: `--set stage.key=value`, for a source `--set extract.sources.NAME.path=...`.
This page is printed by `python -m dspipe.keys`; a test holds it to the code."""


def walk_tables(kind: type[Struct] = Recipe, above: str = "") -> Iterator[tuple[str, type[Struct]]]:
    """Yield (heading, table) for a table and all that are in it, in the order of their keys."""
    yield (f"`{above}`" if above else "Top level"), kind
    for field in msgspec.structs.fields(kind):
        inner = find_table(field.type)
        if inner is not None:
            key = join(above.strip("[]"), field.name)
            yield from walk_tables(inner, write_header(bare(field.type), key))


def write_header(kind: Any, key: str) -> str:
    """How a table is begun in TOML; in a table by name, NAME stands for the name."""
    if get_origin(kind) is list:
        return f"[[{key}]]"
    return f"[{key}.NAME]" if get_origin(kind) is dict else f"[{key}]"


def bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def is_table(kind: Any) -> bool:
    """Whether a key is nothing but a table, which is listed under its own heading."""
    return isinstance(bare(kind), type) and issubclass(bare(kind), Table)


def describe(kind: Any) -> str:
    notes = [note.description for note in getattr(kind, "__metadata__", ()) if isinstance(note, Meta)]
    return next((note for note in notes if note), "")


def show_default(field: Any) -> str:
    default: Any = field.default
    if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    if default is msgspec.NODEFAULT or isinstance(default, UnsetType) or default is UNSET:
        return "must be given"
    return "" if default is None or default == [] or default == {} else f"`{default}`"


def show_preset(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items()) or "the defaults above"


if __name__ == "__main__":
    print(describe_keys(), end="")
