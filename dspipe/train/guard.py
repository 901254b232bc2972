"""Loss and gradient norm of a step → whether its update happens, decided on the device, without waiting.

A batch whose loss or gradient norm stands out from those of the steps before it, by more than so many
deviations, is skipped: its update of weights, moments and biases does not happen. The level is the median of
the last `WINDOW` steps and the deviation their median distance from it, scaled as that of a normal
distribution, so that one spike does not hide the next. Steps that were skipped count as others do: if the
level has changed for good, half a window later it is the new level, and training goes on.

What is no number stops all updates from that step on, until the loop has found out and says what it was.

Legend: Q quantities (loss, gradient norm), W steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW = 128
FEWEST = 32  # steps before the first that can be skipped
NORMAL = 1.4826  # deviations of a normal distribution in its median distance
LEAST = 0.01  # of the level, the least deviation: with hardly any noise, nothing would be usual


class Guard:
    """deviations: beyond which a batch is skipped; None: never.

    Attributes:
        recent_QW: the last values, float64, step n at n % W; NaN where there are none yet.
    """

    def __init__(self, deviations: float | None, device: torch.device) -> None:
        self.deviations = deviations
        self.recent_QW = torch.full((2, WINDOW), torch.nan, dtype=torch.float64, device=device)
        self._stopped = torch.zeros((), device=device)

    @torch.no_grad()
    def judge(self, step: int, loss: Tensor, norm: Tensor) -> Tensor:
        """1 where the update of a step is not to happen, else 0, float32; the step is taken note of."""
        values_Q = torch.stack([loss.double(), norm.double()])
        self._stopped = torch.maximum(self._stopped, (~values_Q.isfinite().all()).float())
        skipped = self._stopped
        if self.deviations is not None and step > FEWEST:
            skipped = torch.maximum(skipped, self.find_spike(values_Q).float())
        self.recent_QW[:, step % WINDOW] = values_Q
        return skipped

    def find_spike(self, values_Q: Tensor) -> Tensor:
        assert self.deviations is not None
        level_Q = find_median(self.recent_QW)
        distance_Q = find_median((self.recent_QW - level_Q[:, None]).abs())
        deviation_Q = torch.maximum(NORMAL * distance_Q, LEAST * level_Q.abs())
        return (values_Q > level_Q + self.deviations * deviation_Q).any()


def find_median(x_QW: Tensor) -> Tensor:
    """Of what is a number, the lower of two; torch's own refuses a GPU that is held to the same bits."""
    sorted_QW = x_QW.sort(1).values  # what is no number comes last
    middle_Q = ((~sorted_QW.isnan()).sum(1) - 1).clamp(min=0) // 2
    return sorted_QW.gather(1, middle_Q[:, None])[:, 0]
