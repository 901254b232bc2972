"""`dspipe clean`: a run's folder → the same folder without what interrupted work left, or nothing at all."""

from __future__ import annotations

from pathlib import Path

import click

from dspipe.plan import PROGRESS
from dspipe.recipe import RecipeError
from dspipe.road import STAGES, WRITER
from dspipe.runner import REBUILD, locked
from dspipe.shards import MANIFEST, Journal, remove_leftovers, remove_tree

REPORT = "report.html"  # which `dspipe report` leaves beside the artifacts


def clean(run: Path, everything: bool, agreed: bool) -> None:
    """Remove unfinished artifacts and temporary files; with `everything`, finished artifacts as well."""
    if not (run / ".lock").is_file():
        raise RecipeError(
            f"{run}: no run of dspipe is there; give the folder that holds its artifacts, e.g. shards/smoke"
        )
    with locked(run):
        doomed = [
            run / name for name in WRITER if (run / name).is_dir() and is_doomed(run / name, everything)
        ]
        precious = [path for path in doomed if everything or (path / "checkpoint").is_dir()]
        if precious and not agreed:
            click.confirm(f"Remove {', '.join(path.name for path in precious)} of {run}?", abort=True)
        begun = [Journal(run / PROGRESS / name) for name in STAGES if (run / PROGRESS / name).is_dir()]
        for journal in begun:  # before the files that they describe
            journal.end()
        (run / PROGRESS / REBUILD).unlink(missing_ok=True)
        for path in doomed:
            remove_tree(path)
        files = remove_leftovers(run)
        if everything:
            remove_tree(run / PROGRESS)
            (run / REPORT).unlink(missing_ok=True)
            (run / ".lock").unlink()
    if everything and not any(run.iterdir()):
        run.rmdir()
    click.echo(
        f"{run}: removed {len(doomed)} artifacts ({', '.join(path.name for path in doomed) or 'none'}), "
        f"the progress of {len(begun)} stages, {files} temporary files"
    )


def is_doomed(artifact: Path, everything: bool) -> bool:
    return not artifact.is_symlink() and (everything or not (artifact / MANIFEST).exists())
