"""A needle in a haystack at every length and depth: of any trained model, or of a network made for it.

    python benchmarks/needle.py model MODEL SEQUENCES [--lengths 256 1024] [--rows 16]
    python benchmarks/needle.py facts WORK [--stretch 64 400] [--stretch 256 60] [--stretch 512 60]

`model` takes the folder of a trained model and packed rows with held-out ones, in which it hides pass keys.
`facts` trains a tiny network on rows of facts, the first stretch without YaRN and the others with it, and
looks for needles after each; WORK gets its rows and checkpoints. Each outcome is a line of JSON, appended to
--results.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from dspipe.train.loading.held_out import open_held_out

from dspipe.bench.extension import Stretch, train_by_stretches
from dspipe.bench.facts import Facts
from dspipe.bench.machine import describe_machine
from dspipe.bench.needles import Hidden, Hide, Score, score_needles, show_scores
from dspipe.bench.pass_keys import PassKeys
from dspipe.bpe.encoding.encoder import Encoder
from dspipe.model.checkpoint.folders import open_model
from dspipe.model.checkpoint.manifest import read_network
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import DspipeError, Train
from dspipe.shards import Artifact, open_artifact
from dspipe.train.loading.loader import list_parts
from dspipe.train.loop import StepMetrics
from dspipe.train.machine.device import choose_device

HAYSTACK = 1 << 20  # tokens
PACKAGES = ("torch", "numpy")


def main() -> None:
    options = read_options()
    try:
        options.run(options)
    except DspipeError as error:
        sys.exit(f"needle: {error}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A needle in a haystack, by length and depth.")
    commands = parser.add_subparsers(required=True)
    model = commands.add_parser("model", help="of a trained model")
    model.add_argument("model", type=Path, help="its folder")
    model.add_argument("sequences", type=Path, help="packed rows, with held-out ones, of its tokenizer")
    model.add_argument("--lengths", type=int, nargs="+", help="default: those packed")
    model.set_defaults(run=run_model, rows=16)
    facts = commands.add_parser("facts", help="of a tiny network, trained here")
    facts.add_argument("work", type=Path, help="a folder for its rows and checkpoints")
    facts.add_argument("--stretch", type=int, nargs=2, action="append", metavar=("LENGTH", "STEPS"))
    facts.add_argument("--plain", action="store_true", help="longer rows without YaRN, to compare")
    facts.set_defaults(run=run_facts, rows=64)
    for command in (model, facts):
        command.add_argument("--rows", type=int, help="needles at each length and depth")
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--results", type=Path, default=Path("benchmarks/results/needle.jsonl"))
    return parser.parse_args()


def run_model(options: argparse.Namespace) -> None:
    artifact, sequences = open_artifact(options.model), open_artifact(options.sequences)
    network, settings = load_network(artifact)
    encoder = Encoder(artifact.folder)
    packed = list(list_parts(sequences))
    held_out = open_held_out(sequences, max(packed), HAYSTACK, encoder.size)
    hay = [batch.tokens_BL[batch.valid_BL].numpy().astype(np.uint32) for batch in held_out.batches(16)]
    text = np.concatenate(hay) if hay else np.empty(0, np.uint32)
    hide = PassKeys(encoder, text, options.rows, options.seed).hide
    facts = {key: artifact.manifest.facts.get(key) for key in ("steps", "parameters", "sequence_length")}
    report(
        network, settings, hide, options.lengths or sorted(packed), facts | {"needles": "pass keys"}, options
    )


def load_network(artifact: Artifact) -> tuple[Transformer, Train]:
    """The network as it was trained last, and what it was trained with."""
    content = json.loads((artifact.folder / "recipe.json").read_bytes())["train"]
    settings = msgspec.convert(content, Train)
    config, vocabulary = read_network(artifact.manifest), int(artifact.manifest.facts["vocabulary"])
    network = build_transformer(config, vocabulary, 0)
    weights = open_model(artifact.folder, config, vocabulary)
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return network.to(choose_device(settings.deterministic)), settings


def run_facts(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)  # so small is the network that a second one costs more than it brings
    stretches = [Stretch(*stretch) for stretch in options.stretch or [(64, 400), (256, 60), (512, 60)]]
    lengths, facts = [stretch.length for stretch in stretches], Facts()

    def hide(length: int, depth: float) -> Hidden:
        return facts.hide_needles(options.rows, length, depth, np.random.default_rng([options.seed, length]))

    def say(metrics: StepMetrics) -> None:
        if metrics.step % 50 == 0:
            print(f"step {metrics.step}, loss {metrics.loss:.3f}", file=sys.stderr, flush=True)

    started = time.perf_counter()
    for settings, network in train_by_stretches(
        options.work, facts, stretches, options.seed, not options.plain, say
    ):
        training = {
            "needles": "facts", "stretches": [asdict(stretch) for stretch in stretches],
            "steps": settings.steps, "extended": network.extended,
            "seconds": round(time.perf_counter() - started, 1),
        }  # fmt: skip
        report(network, settings, hide, lengths, training, options)
        if not (network.extended or options.plain):  # what YaRN does before a single step of training with it
            network.extended = True
            report(network, settings, hide, lengths, training | {"extended": "untrained"}, options)


def report(
    network: Transformer, settings: Train, hide: Hide, lengths: list[int], facts: dict[str, Any],
    options: argparse.Namespace,
) -> None:  # fmt: skip
    """Print both tables, and append a line of JSON."""
    scores = list(score_needles(network, settings, hide, lengths))
    print(", ".join(f"{key} {value}" for key, value in facts.items() if key != "stretches"))
    for title, value in (("found", show_found), ("gain, nats", show_gain)):
        print(f"\n{title}\n", *show_scores(scores, value), sep="\n")
    print(flush=True)
    line = {
        "bench": "needle",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(PACKAGES) | {"device": name_device(network.head.device)},
        **facts,
        "settings": msgspec.to_builtins(settings),
        "scores": [asdict(score) for score in scores],
    }
    with open(options.results, "a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")


def show_found(score: Score) -> str:
    return f"{score.found:.0%}"


def show_gain(score: Score) -> str:
    return f"{score.gain:.2f}"


def name_device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


if __name__ == "__main__":
    main()
