"""A training of 200 steps with all that one can have, as a process of its own that can be killed.

python -m tests.train.long_training ROWS MODEL
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from dspipe.recipe import SizeEntry, Train, WeightEntry
from dspipe.train.loading.loader import RowLoader
from dspipe.train.loop import train
from dspipe.train.schedule.course import plan_course
from tests.reference.networks import VOCABULARY, small_model

STEPS = 200
LENGTHS = (16, 24)
SETTINGS = Train(
    steps=STEPS, batch_size=[SizeEntry(0, 4), SizeEntry(4000, 6)], micro_batch=2, seed=1, spike=4.0,
    sequence_length=[SizeEntry(0, 16), SizeEntry(9000, 24)], average=0.98, checkpoint_steps=7, keep_last=2,
    learning_rate=[WeightEntry(0, 0.01), WeightEntry(9000, 0.01, "cosine"), WeightEntry(20000, 0.001)],
    bias_speed=[WeightEntry(0, 0.01), WeightEntry(12000, 0.0)], warmup_steps=10,
    model=small_model(layers=2, initial_deviation=0.05),
)  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    rows, folder = Path(sys.argv[1]), Path(sys.argv[2])
    files = {
        length: [(path, int(path.stem.partition("-")[2])) for path in sorted(rows.glob(f"L{length}/*"))]
        for length in LENGTHS
    }
    course = plan_course(SETTINGS, LENGTHS)
    train(SETTINGS, course, RowLoader(files, course.phases, 1, VOCABULARY), VOCABULARY, folder)


if __name__ == "__main__":
    main()
