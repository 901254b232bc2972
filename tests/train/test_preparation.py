"""What a training begins with: micro-batches of every size there is, and what a folder remembers."""

from dspipe.train.machine.fitting import Fit
from dspipe.train.preparation import list_sizes
from dspipe.train.schedule.phases import plan_phases


def test_a_micro_batch_of_each_length_has_its_size_listed_the_last_of_a_step_too() -> None:
    phases = plan_phases([[0, 8], [200, 5]], [[0, 16], [400, 24]], [16, 24])
    assert list_sizes(phases, Fit({16: 3, 24: 3}, (), {})) == [32, 48, 72]
    assert list_sizes(phases, Fit({16: 8, 24: 5}, (), {})) == [120, 128]
    assert list_sizes(phases, Fit({16: 8}, (), {})) == [128]  # a length that is not come to
