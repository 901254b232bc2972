"""Multi-token prediction: turns the hidden state of depth k-1 and the token k places ahead into that of depth
k.

h'_i = M [norm(embedding of t_{i+k}); norm(h_i)], one block over it, a norm before the shared head
(DeepSeek-V3 report, 2.2). The report prints [hidden; embedding]; released weights want [embedding; hidden],
which is taken here. Embedding and head are the main model's own. Positions stay those of i. The first depth
receives the output of the last block, before the final norm as the report's figure 3 has it, or after that
norm as released weights are served (`mtp_input`); the next one receives that of the block here, before its
norm.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dspipe.model.keeping import made_again
from dspipe.model.norm import Norm
from dspipe.model.precision import raise_precision
from dspipe.model.products.linear import Linear
from dspipe.recipe import Model


class Depth(nn.Module):
    """What depth k has of its own: the way in (two norms, one projection 2D to D), a block, the norm of the
    way out.

    The transformer runs the block, as it runs all others.
    """

    def __init__(self, config: Model, block: nn.Module) -> None:
        super().__init__()
        self.embedding_norm = Norm(config.width, config.norm_epsilon)
        self.hidden_norm = Norm(config.width, config.norm_epsilon)
        self.projection = Linear(2 * config.width, config.width)
        self.block = block
        self.norm = Norm(config.width, config.norm_epsilon)

    def join(self, embedded_BLD: Tensor, hidden_BLD: Tensor) -> Tensor:
        """The block's input, in float32."""
        with made_again("norms", self.normalize, embedded_BLD, hidden_BLD) as joined:
            projected_BLD: Tensor = self.projection(joined)
        return raise_precision(projected_BLD)  # the residual stream stays float32

    def normalize(self, embedded_BLD: Tensor, hidden_BLD: Tensor) -> Tensor:
        return torch.cat([self.embedding_norm(embedded_BLD), self.hidden_norm(hidden_BLD)], -1)
