"""The training loop: a loader's rows → a trained network, its checkpoints and all that there is to see of it.

Each step is a function of the checkpointed state and of its number, so that a training killed at any moment
continues from its last checkpoint and ends in the same bits. A step's outcome is read when the next one is
under way, where the device works by itself; checkpoints are written by a thread; an evaluation comes before
the checkpoint of its step, so that one that was cut off is done again.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path

from dspipe.batch import PackedBatch
from dspipe.model.checkpoint.folders import AVERAGE
from dspipe.model.costs import count_operations
from dspipe.model.transformer import Transformer
from dspipe.recipe import DspipeError, Train
from dspipe.shards import write_file
from dspipe.train.balance import average_violation, max_violations
from dspipe.train.diagnosis import explain_step
from dspipe.train.evaluating.evaluation import Evaluation, write_evaluation
from dspipe.train.evaluating.evaluator import Evaluator
from dspipe.train.extension import is_extended
from dspipe.train.loading.loader import RowLoader
from dspipe.train.machine.device import choose_dtype, find_peak
from dspipe.train.machine.fitting import Fit
from dspipe.train.machine.speed import find_rate
from dspipe.train.preparation import LINES, Ready, prepare
from dspipe.train.saving.checkpoints import MEND, write_tensors
from dspipe.train.saving.state import Progress, collect_state
from dspipe.train.schedule.course import Course
from dspipe.train.showing.boards import list_domains, list_numbers, open_boards
from dspipe.train.showing.lines import Lines
from dspipe.train.showing.metrics import StepMetrics
from dspipe.train.step import Outcome, Pending, take_step

READ_LATE = ("cuda",)  # devices that work while the machine goes on


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    network: Transformer
    fit: Fit
    progress: Progress
    evaluation: Evaluation | None


def train(
    settings: Train,
    course: Course,
    loader: RowLoader,
    vocabulary: int,
    folder: Path,
    evaluator: Evaluator | None = None,
    on_step: Callable[[StepMetrics], None] = lambda metrics: None,
    say: Callable[[str], None] = lambda line: None,
    memory: int | None = None,
) -> Trained:
    """Train up to `course.steps`, from the checkpoint in `folder` if there is one.

    Leaves in `folder`: `checkpoint/`, a line of `metrics.jsonl` for every step, of `expert_loads.jsonl` for
    some of them together and of `evaluations.jsonl` for every evaluation, `evaluation.json`,
    `expert_loads.json`, and the weights (our names, float32, biases too) as `model.safetensors`, their moving
    average in `average/`. `on_step` is called after each step, when its line is written; whatever
    it raises leaves a folder to resume from. `say` hears what was decided. memory: bytes that may be held.

    Raises:
        DspipeError: the loss is no number (names step, rows and documents), a row is damaged or has a token
            beyond the vocabulary, or the checkpoint is damaged or of another training.
        RecipeError: it does not fit into the memory; names what would.
    """
    with ExitStack() as block:
        ready = prepare(settings, course, loader, vocabulary, folder, memory, say, block)
        loop = Loop(settings, course, loader, ready, folder, evaluator, say, block)
        loop.run(on_step)
        return Trained(ready.parts.network, ready.fit, loop.progress, loop.finish())


class Loop:
    """What changes from step to step, and where it is written down; `block` closes what was opened."""

    def __init__(
        self,
        settings: Train,
        course: Course,
        loader: RowLoader,
        ready: Ready,
        folder: Path,
        evaluator: Evaluator | None,
        say: Callable[[str], None],
        block: ExitStack,
    ) -> None:
        self.settings, self.course, self.loader, self.ready = settings, course, loader, ready
        self.folder, self.evaluator, self.say = folder, evaluator, say
        self.progress, step = ready.progress, ready.progress.step
        self.metrics, self.evaluations, self.loads = (
            block.enter_context(closing(Lines(folder / name, step))) for name in LINES
        )
        if self.metrics.last != step:  # which no kill can do: a line is there before its checkpoint
            raise DspipeError(
                f"{self.metrics.path}: ends with step {self.metrics.last}, and the checkpoint is of step "
                f"{step}; restore it from a copy, {MEND}"
            )
        self.boards = [block.enter_context(closing(board)) for board in open_boards(settings, folder, step)]
        self.rate = find_rate(ready.device, choose_dtype(ready.device, settings))
        self.ended = 0.0  # when the last step was through

    def run(self, on_step: Callable[[StepMetrics], None]) -> None:
        first, last, pinned = self.progress.step + 1, self.course.steps, self.ready.device.type == "cuda"
        late = self.ready.device.type in READ_LATE
        if self.is_evaluated(first - 1) and self.evaluations.last < first - 1:
            self.evaluate(first - 1)  # a run whose last step it was to be has been stopped before it
        before: Callable[[], None] | None = None  # what is left to do for the step before
        with closing(self.loader.stream(first, last, pinned)) as batches:
            for step in range(first, last + 1):
                begun = time.perf_counter()
                try:
                    batch = next(batches)
                    waited = time.perf_counter() - begun
                    pending = self.take_step(batch, step)
                except BaseException:
                    if before is not None:
                        before()  # what it raises comes first
                    raise
                if before is not None:
                    before()
                before = self.follow(step, batch, pending, begun, waited, on_step)
                if not late or self.is_due(step):
                    before()
                    before = None

    def take_step(self, batch: PackedBatch, step: int) -> Pending:
        length, network = batch.tokens_BL.shape[1], self.ready.parts.network
        network.extended |= is_extended(self.settings.model, self.course.phases, step)
        return take_step(
            self.ready.parts,
            self.settings,
            self.ready.arithmetic,
            batch,
            step,
            self.ready.fit.micro_batch[length],
            self.course.weights(step),
            self.course.learning_rate(step),
        )

    def is_due(self, step: int) -> bool:
        """Whether something is done after a step that needs all of it."""
        return self.is_saved(step) or self.is_evaluated(step)

    def is_saved(self, step: int) -> bool:
        return step % self.settings.checkpoint_steps == 0 or step == self.course.steps

    def is_evaluated(self, step: int) -> bool:
        often = self.settings.evaluation_steps
        return often is not None and step % often == 0 and 0 < step < self.course.steps

    def follow(
        self,
        step: int,
        batch: PackedBatch,
        pending: Pending,
        begun: float,
        waited: float,
        on_step: Callable[[StepMetrics], None],
    ) -> Callable[[], None]:
        """What is left to do for a step that has been taken."""

        def finish() -> None:
            outcome = pending.read()
            if not (math.isfinite(outcome.loss) and math.isfinite(outcome.grad_norm)):
                raise DspipeError(
                    explain_step(self.ready, self.settings, self.course, self.loader, outcome, step)
                )
            metrics = self.note(step, batch, outcome, max(begun, self.ended), waited)
            self.ended = outcome.ended
            if self.is_evaluated(step):
                self.evaluate(step)
            if self.is_saved(step):
                state = collect_state(self.ready.parts, self.progress)
                self.ready.checkpoints.save(state, step)
            on_step(metrics)

        return finish

    def note(
        self, step: int, batch: PackedBatch, outcome: Outcome, begun: float, waited: float
    ) -> StepMetrics:
        """Add a step to what has been counted, and write its lines."""
        before, tokens = self.progress, int(batch.valid_BL.sum())
        self.progress = Progress(
            step,
            before.skipped + outcome.skipped,
            before.tokens + tokens,
            before.loads_SE + outcome.loads_SE,
            outcome.loads_SE,
            before.recent_loads_SE + outcome.loads_SE,
        )
        metrics = self.describe(step, batch, outcome, outcome.ended - begun, waited, tokens)
        self.metrics.write(asdict(metrics))
        for board in self.boards:
            board.show(step, list_numbers(asdict(metrics), "train"))
        if step % self.settings.load_steps == 0:
            self.loads.write({"step": step, "loads": self.progress.recent_loads_SE.tolist()})
            self.progress = self.progress.forget_recent()
        if outcome.skipped:
            self.say(
                f"step {step}: loss {outcome.loss:.3f} and gradient norm {outcome.grad_norm:.2f} stand out, "
                "its batch is skipped"
            )
        return metrics

    def describe(
        self, step: int, batch: PackedBatch, outcome: Outcome, seconds: float, waited: float, tokens: int
    ) -> StepMetrics:
        violations, weights = max_violations(outcome.loads_SE), self.course.weights(step)
        rows, length = batch.tokens_BL.shape
        model, vocabulary = self.settings.model, self.ready.vocabulary
        operations = count_operations(model, vocabulary, length).all * rows * length
        return StepMetrics(
            step=step,
            tokens=self.progress.tokens,
            loss=outcome.loss,
            mtp_loss=outcome.mtp_loss,
            balance_loss=outcome.balance_loss,
            lr=self.course.learning_rate(step),
            grad_norm=outcome.grad_norm,
            bias_speed=weights.bias_speed,
            mtp_weight=weights.mtp,
            balance_weight=weights.sequence or weights.expert,
            batch_size=rows,
            sequence_length=length,
            skipped=outcome.skipped,
            max_violation=average_violation(violations),
            max_violation_by_layer=[None if found is None else round(found, 4) for found in violations],
            seconds=seconds,
            waited=waited,
            tokens_per_second=tokens / seconds,
            mfu=None if self.rate is None else operations / seconds / self.rate,
            memory=find_peak(self.ready.device),
        )

    def evaluate(self, step: int) -> Evaluation | None:
        """Judge the weights as they are after a step, and write it down."""
        if self.evaluator is None:
            return None
        parts = self.ready.parts
        phases = [phase for phase in self.course.phases if phase.first_step <= step]
        length = max(phase.length for phase in phases)
        evaluation = self.evaluator.evaluate(
            parts.network,
            parts.average,
            self.ready.arithmetic.products.refresh,
            step,
            length,
            self.ready.fit.micro_batch[length],
        )
        if evaluation is not None:
            content = asdict(evaluation)
            self.evaluations.write(content)
            for board in self.boards:
                board.show(
                    step, list_numbers(content, "evaluation") | list_domains(content["domains"], "evaluation")
                )
            if step != self.course.steps:
                self.say(f"step {step}: {evaluation.describe()}")
        return evaluation

    def finish(self) -> Evaluation | None:
        """Write the trained weights, and for placement the tokens that each expert has seen; judge them."""
        parts, progress = self.ready.parts, self.progress
        self.ready.checkpoints.settle()
        write_tensors(self.folder / "model.safetensors", parts.network.state_dict(), {"format": "pt"})
        if parts.average is not None:
            parts.average.settle()
            write_tensors(
                self.folder / AVERAGE / "model.safetensors", parts.average.tensors, {"format": "pt"}
            )
        content = {
            "layers": list(parts.network.sparse_layers),
            "total": progress.loads_SE.tolist(),
            "last_step": progress.last_loads_SE.tolist(),
        }
        write_file(self.folder / "expert_loads.json", json.dumps(content).encode() + b"\n")
        self.evaluations.cut(progress.step - 1)  # a run that was stopped behind this one's line has it
        evaluation = self.evaluate(progress.step)
        write_evaluation(evaluation, self.folder / "evaluation.json")
        return evaluation
