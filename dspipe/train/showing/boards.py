"""Lines of metrics and evaluations → TensorBoard or Weights & Biases, where a recipe asks for them.

What is shown there is what the files in the run's folder hold; a resumed training goes on in the same charts.
Both packages are extras: `pip install 'dspipe[tensorboard]'`, `pip install 'dspipe[wandb]'`.
"""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dspipe.recipe import DspipeError, RecipeError, Train

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb"}


class Board(Protocol):
    def show(self, step: int, numbers: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


def check_boards(settings: Train) -> None:
    """Refuse to begin without the packages that are asked for."""
    for name in settings.watch:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise RecipeError(f"train.watch: \"{name}\" is not installed; pip install 'dspipe[{name}]'")


def open_boards(settings: Train, folder: Path, step: int) -> Iterator[Board]:
    """One after the other those asked for, to go on behind `step`; folder: of the model."""
    makers: dict[str, Any] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}
    for name in settings.watch:
        yield makers[name](folder, step, settings)


class TensorBoard:
    """Event files in `model/tensorboard/`; what a killed run showed beyond its checkpoint is hidden."""

    def __init__(self, folder: Path, step: int, settings: Train) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def show(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            self.writer.add_scalar(name, number, step)

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """One run for each model folder: its id is kept there, beside what wandb itself writes."""

    def __init__(self, folder: Path, step: int, settings: Train) -> None:
        import msgspec
        import wandb

        place = folder / "wandb"
        place.mkdir(exist_ok=True)
        known = place / "id"
        name = known.read_text() if known.exists() else secrets.token_hex(4)
        known.write_text(name)
        title, config = folder.resolve().parent.name, msgspec.to_builtins(settings)
        try:
            self.run = wandb.init(
                dir=str(folder), id=name, resume="allow", project="dspipe", name=title, config=config
            )
        except Exception as error:  # it has many, of its own and of others: no key, no server
            raise DspipeError(
                f"train.watch: wandb does not begin ({error}); log in, set WANDB_MODE=offline, or do without"
            ) from error

    def show(self, step: int, numbers: Mapping[str, float]) -> None:
        self.run.log(dict(numbers), step=step)

    def close(self) -> None:
        self.run.finish()


def list_numbers(content: Mapping[str, Any], group: str) -> dict[str, float]:
    """The numbers of a line, named `group/key`; lists, texts and what is absent are left out."""
    return {
        f"{group}/{key}": float(value)
        for key, value in content.items()
        if isinstance(value, int | float) and key not in ("step",)
    }


def list_domains(domains: Sequence[Mapping[str, Any]], group: str) -> dict[str, float]:
    """The loss of each domain and language of an evaluation."""
    return {f"{group}/{one['domain'] or '-'}/{one['language'] or '-'}": float(one["loss"]) for one in domains}
