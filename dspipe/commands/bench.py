"""`dspipe bench`: the name of a bench → lines for people as it goes, and one JSON line with every figure."""

from __future__ import annotations

import importlib
import time

import click
import msgspec

from dspipe.bench import BENCHES, Options
from dspipe.commands.terminal import show_lines
from dspipe.recipe import RecipeError


def bench(name: str | None, options: Options, as_json: bool) -> None:
    """Run one bench, or list them all."""
    if name is None:
        list_benches(as_json)
    elif name not in BENCHES:
        raise RecipeError(f"there is no bench {name}; name one of: {', '.join(BENCHES)}")
    else:
        run_bench(name, options, as_json)


def list_benches(as_json: bool) -> None:
    if not as_json:
        for name, description in BENCHES.items():
            click.echo(f"{name:<10} {description}")
    else:
        print_line(BENCHES)


def run_bench(name: str, options: Options, as_json: bool) -> None:
    """Its lines, unless only JSON is wanted, and the JSON line last."""
    from dspipe.bench.machine import describe_machine
    from dspipe.bench.timing import round_figures

    report = {
        "bench": name,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(),
        "repeat": options.repeat,
    }
    module = importlib.import_module(f"dspipe.bench.{name}")
    figures = module.run(options, print_nothing if as_json else print_plainly)
    print_line({**report, "figures": round_figures(figures)})


def print_line(value: object) -> None:
    click.echo(msgspec.json.encode(value).decode())


def print_nothing(line: str) -> None:
    """What `--json` leaves of the lines for people."""


def print_plainly(line: str) -> None:
    click.echo(show_lines(line))
