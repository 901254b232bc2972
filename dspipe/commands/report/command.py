"""`dspipe report`: a run's folder → one self-contained page about all of it, `report.html`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dspipe.commands.charts.flow import draw_flow
from dspipe.commands.charts.page import render
from dspipe.commands.clean import REPORT
from dspipe.commands.report.clusters import describe_clusters
from dspipe.commands.report.counts import describe_road, list_accounts
from dspipe.commands.report.curves import draw_loads, draw_training
from dspipe.commands.report.folder import Run, open_run
from dspipe.commands.report.packing import describe_packing
from dspipe.commands.report.removals import describe_removals
from dspipe.commands.report.shares import describe_shares
from dspipe.commands.report.training import describe_training
from dspipe.commands.report.vocabulary import describe_vocabulary
from dspipe.commands.terminal import plain, print_json, show_size
from dspipe.recipe import flatten
from dspipe.road import ROAD
from dspipe.shards import write_file

FOLDER = Path(__file__).parent


def report(path: Path, out: Path | None, as_json: bool) -> None:
    """Write the page and say where it is; as JSON, print the tables that it is made of."""
    run = open_run(path)
    content = gather(run)
    target = out or run.folder / REPORT
    page = draw_page(content)
    write_file(target, page)
    if as_json:
        return print_json({"report": str(target), **strip_pictures(content)})
    click.echo(f"{plain(target, 1000)}: {show_size(len(page))}; open it in a browser, it needs no network")
    for sentence in (*content["road"]["breaks"], *content["troubles"]):
        click.echo(f"  {plain(sentence, 1000)}")


def gather(run: Run) -> dict[str, Any]:
    """All that the page says, section by section; None where there is nothing of the kind yet."""
    return {
        "name": run.name,
        "troubles": run.troubles,
        "road": describe_road(run),
        "removals": describe_removals(run),
        "shares": describe_shares(run),
        "clusters": describe_clusters(run),
        "vocabulary": describe_vocabulary(run),
        "packing": describe_packing(run),
        "training": describe_training(run),
        "settings": describe_settings(run),
    }


def describe_settings(run: Run) -> list[dict[str, Any]]:
    """What each stage was done with, finished or not, as one table of keys."""
    settings = []
    for stage in ROAD:
        artifact = run.artifacts.get(stage.writes[-1])
        header = artifact.manifest if artifact else run.begun.get(stage.name, (None,))[0]
        if header is not None:
            settings.append({"stage": stage.name, "settings": flatten(header.settings)})
    return settings


def draw_page(content: dict[str, Any]) -> bytes:
    accounts, training = list_accounts(content["road"]["stages"]), content["training"]
    return render(
        FOLDER,
        "page.html",
        flow=draw_flow(accounts) if accounts else None,
        accounts=accounts,
        charts=draw_training(training) if training else {},
        heats=draw_loads(training) if training else [],
        **content,
    )


def strip_pictures(content: dict[str, Any]) -> dict[str, Any]:
    """The tables for a program: of the experts' loads the figures without the pictures."""
    training = content["training"]
    if training is None:
        return content
    layers = [{name: layer[name] for name in layer if name != "picture"} for layer in draw_loads(training)]
    return content | {"training": training | {"loads": layers}}
