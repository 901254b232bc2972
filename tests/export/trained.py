"""A run that is done up to `export` in some seconds, by the command line: a few texts, a tiny network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.commands.runs import ROOT_ENVIRONMENT

TEXT = (
    "The kettle sings on the stove; 水壶在唱歌。 x = {n} + 1\nIt is {n} o'clock, and tea is ready for {n}.\n"
)
RECIPE = """
name = "tiny"
[[extract.sources]]
name = "texts"
path = "{data}/*.jsonl"
[filter]
rules = "none"
private = []
[dedup]
similarity = 1.0
[tokenizer]
vocab_size = 300
[pack]
sequence_length = 32
validation = 0.0
[train]
steps = {steps}
batch_size = 2
warmup_steps = 1
learning_rate = 0.01
checkpoint_steps = 2
[train.model]
width = 32
layers = 2
heads = 2
query_rank = 16
key_value_rank = 12
head_width = 8
rope_width = 4
value_width = 8
dense_width = 40
expert_width = 8
experts = 4
chosen_experts = 2
"""


def write_recipe(folder: Path, name: str = "tiny", steps: int = 3, more: str = "") -> Path:
    """A recipe that can be run in `folder`, with its data beside it; more: lines for the table [train]."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"text": TEXT.format(n=n) * 3, "id": str(n)}) for n in range(40)]
    (data / "texts.jsonl").write_text("\n".join(lines) + "\n")
    text = RECIPE.format(data=data, steps=steps).replace('name = "tiny"', f'name = "{name}"', 1)
    recipe = folder / f"{name}.toml"
    recipe.write_text(text.replace("[train]\n", f"[train]\n{more}"))
    return recipe


def run(folder: Path, *arguments: object, code: int = 0) -> str:
    """Call dspipe in `folder`; what it printed."""
    command = [sys.executable, "-m", "dspipe", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, env=ROOT_ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
