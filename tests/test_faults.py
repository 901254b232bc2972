"""Killed at every single file operation, the road ends in the same bytes as if it had never been.

A child ends itself at its n-th rename, unlink, removal or sync, for n = 1, 2, 3 … until one gets through.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dspipe.plan import PROGRESS, Step, find_state
from dspipe.road import STAGES
from dspipe.runner import make_room
from dspipe.shards import Counts, Header, Journal, Output, open_artifact
from dspipe.workers import Workers
from tests.test_runner import go, make_recipe

ROOT = Path(__file__).parent.parent
ARTIFACTS = ("documents", "signals", "filtered", "distinct", "mixture")
SCENARIOS = ("a first run", "rebuild dedup", "rebuild filter")
OPERATIONS = [(os, "replace"), (os, "rename"), (os, "unlink"), (os, "fsync"), (os, "rmdir"), (os, "mkdir")]


def die_at(operation: int) -> Callable[[], int]:
    """Make this process end at the n-th file operation; the function returned tells how many there were."""
    count = 0

    def count_before(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **keywords: Any) -> Any:
            nonlocal count
            count += 1
            if count == operation:
                os._exit(9)
            return original(*arguments, **keywords)

        return counted

    for module, name in OPERATIONS:
        setattr(module, name, count_before(getattr(module, name)))
    return lambda: count


def interrupted(folder: Path, work: Callable[[], Any], operation: int) -> bool:
    """Do the work in a child that ends at its n-th file operation; whether it ended before it was through."""
    child = os.fork()
    if child == 0:
        try:
            die_at(operation)
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), f"operation {operation} in {folder}: exit code {code}"
    return code == 9


def digests(run: Path) -> list[tuple[str, str, str]]:
    found = []
    for name in ARTIFACTS:
        manifest = open_artifact(run / name).manifest
        found += [(name, part.file, part.xxh3) for part in (*manifest.parts, *manifest.beside)]
    return found


def run_here(self: Workers, function: Any, todo: dict[int, Any], *_: Any) -> Iterator[tuple[int, Any]]:
    """Instead of `_run_isolated`: what a process of its own would do is to be counted, and ended, too."""
    return ((number, function(task)) for number, task in todo.items())


def drive(scenario: str, folder: Path) -> None:
    """The body of the test, in a process of its own: forking is safe where no thread has been started."""
    Workers._run_isolated = run_here
    recipe = make_recipe(folder)
    changes = {
        "rebuild dedup": {"dedup": {"shingle": 1, "similarity": 0.8}},
        "rebuild filter": {"filter": {"thresholds": {"gopher-words": {"minimum": 120}}}},
    }
    other = make_recipe(folder, **changes.get(scenario, {}))
    go(folder / "whole", recipe)
    go(folder / "else", other)
    expected = {False: digests(folder / "whole" / "run"), True: digests(folder / "else" / "run")}
    assert (expected[False] == expected[True]) == (scenario not in changes)
    rebuild = scenario.removeprefix("rebuild ") if scenario in changes else None
    for operation in range(1, 1000):
        runs = folder / f"at-{operation}"
        if rebuild:
            shutil.copytree(folder / "whole", runs)
        asked = other if rebuild else recipe
        through = not interrupted(runs, lambda: go(runs, asked, rebuild=rebuild), operation)  # noqa: B023
        try:
            go(runs, asked)
        except Exception as error:  # the rebuild may not have begun: then it is asked for again
            assert rebuild and "--rebuild" in str(error), f"operation {operation}: {error}"
            go(runs, asked, rebuild=rebuild)
        assert digests(runs / "run") == expected[bool(rebuild)], f"operation {operation}"
        assert not list(runs.rglob("*.tmp")) and not any((runs / "run" / ".progress").iterdir())
        shutil.rmtree(runs)
        if through:
            print(operation - 1, "kills")
            return


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """All scenarios at once: each mostly waits for the disk."""
    processes = {scenario: start(scenario, tmp_path_factory.mktemp("killed")) for scenario in SCENARIOS}
    yield processes
    for process in processes.values():
        if process.poll() is None:
            process.kill()
            process.communicate()


def start(scenario: str, folder: Path) -> subprocess.Popen[str]:
    code = "import sys\nfrom pathlib import Path\nfrom tests.test_faults import drive\n"
    code += f"drive({scenario!r}, Path({str(folder)!r}))"
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_at_any_file_operation_is_harmless(
    driven: dict[str, subprocess.Popen[str]], scenario: str
) -> None:
    out, errors = driven[scenario].communicate()
    assert driven[scenario].returncode == 0, errors[-3000:]
    assert int(out.split()[-2]) > 20


def test_a_kill_at_the_start_of_a_continuation_keeps_the_training(tmp_path: Path) -> None:
    output = Output(tmp_path / "model", Header("train", 1, {"steps": 2}, "f+2", []))
    (tmp_path / "model" / "checkpoint").mkdir()
    output.close([], Counts(0, 0))
    step = Step(STAGES["train"], Header("train", 1, {"steps": 4}, "f+4", []), "to continue")
    journal = Journal(tmp_path / PROGRESS / "train")
    through, operation = False, 0
    while not through:
        operation += 1
        through = not interrupted(tmp_path, lambda: make_room(step, tmp_path, journal), operation)
        assert (tmp_path / "model" / "checkpoint").is_dir()
        assert find_state(step.stage, step.header, {}, tmp_path) in ("to continue", "to resume")
    assert operation > 4
