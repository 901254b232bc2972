"""A training that is killed with all its memory, five times, ends in the bits of one that was not."""

import random
import subprocess
import sys
import time
from pathlib import Path

from tests.reference.rows import write_rows
from tests.train.long_training import LENGTHS, STEPS
from tests.train.test_loop import read_everything, read_metrics

KILLS = 5


def start(rows: Path, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.train.long_training", str(rows), str(folder)])


def count_lines(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_five_kills_in_200_steps_change_no_bit(tmp_path: Path) -> None:
    """Wherever they come: while a step is added up, a checkpoint is written, a phase changes."""
    rows, whole, killed = tmp_path / "rows", tmp_path / "whole", tmp_path / "killed"
    for length in LENGTHS:
        ((path, count),) = write_rows(rows, rows=9, parts=1, length=length)[length]
        path.rename(path.with_name(f"part-{count:05d}.arrow"))
    assert start(rows, whole).wait() == 0
    generator, kills = random.Random(0), 0
    for number in range(KILLS):
        process, target = start(rows, killed), (number + 1) * STEPS // (KILLS + 1)
        while count_lines(killed) < target and process.poll() is None:
            time.sleep(0.002)
        time.sleep(generator.random() * 0.05)
        process.kill()
        kills += process.wait() == -9
    assert kills == KILLS
    assert start(rows, killed).wait() == 0
    assert read_everything(killed) == read_everything(whole)
    assert [line["step"] for line in read_metrics(killed)] == list(range(1, STEPS + 1))
    assert {line["sequence_length"] for line in read_metrics(whole)} == set(LENGTHS)
