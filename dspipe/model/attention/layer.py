"""Multi-head latent attention: turns hidden states into what each token draws from the tokens before it.

Keys and values of all heads come from one narrow latent, queries from another (or straight from the hidden
state); position enters through a separate rotary part, one for all heads in the keys and one per head in the
queries (DeepSeek-V3 report, 2.1.1). The latents are normalised, the rotary key is not. In training the
latents are expanded and the attention itself is a kernel's (`kernels.py`): what the design saves is cache,
which training does not have.

Legend: B rows, L tokens, D width, H heads, C width without position, R rotary width, V value width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dspipe.model.attention.kernels import choose_kernel
from dspipe.model.attention.rope import rotate, score_scale
from dspipe.model.norm import Norm
from dspipe.recipe import Model


class Attention(nn.Module):
    def __init__(self, config: Model) -> None:
        super().__init__()
        self.config = config
        query_width = config.heads * (config.head_width + config.rope_width)
        if config.query_rank is None:
            self.query = nn.Linear(config.width, query_width, bias=False)
        else:
            self.query_down = nn.Linear(config.width, config.query_rank, bias=False)
            self.query_norm = Norm(config.query_rank, config.norm_epsilon)
            self.query_up = nn.Linear(config.query_rank, query_width, bias=False)
        self.key_value_down = nn.Linear(config.width, config.key_value_rank + config.rope_width, bias=False)
        self.key_value_norm = Norm(config.key_value_rank, config.norm_epsilon)
        self.key_value_up = nn.Linear(
            config.key_value_rank, config.heads * (config.head_width + config.value_width), bias=False
        )
        self.output = nn.Linear(config.heads * config.value_width, config.width, bias=False)

    def forward(self, x_BLD: Tensor, rotations_LP: Tensor, ends_D: Tensor | None = None) -> Tensor:
        """`y_BLD`; ends_D: where documents end that see themselves alone, counted through all rows' tokens.
        Without, a token sees its row up to itself.
        """
        query = self.project_query(x_BLD, rotations_LP)
        key, value = self.project_key_value(x_BLD, rotations_LP)
        kernel, scale = choose_kernel(query, value, ends_D is not None), score_scale(self.config)
        if ends_D is None:
            drawn_BLHV = kernel.attend(query, key, value, scale)
        else:
            drawn_BLHV = kernel.attend_apart(query, key, value, scale, ends_D)
        y_BLD: Tensor = self.output(drawn_BLHV.flatten(-2))
        return y_BLD

    def project_query(self, x_BLD: Tensor, rotations_LP: Tensor) -> Tensor:
        """`query_BLH(C+R)`, rotated."""
        if self.config.query_rank is None:
            query = self.query(x_BLD)
        else:
            query = self.query_up(self.query_norm(self.query_down(x_BLD)))
        plain, rotary = query.unflatten(-1, (self.config.heads, -1)).split(
            [self.config.head_width, self.config.rope_width], -1
        )
        return torch.cat([plain, rotate(rotary, rotations_LP)], -1)

    def project_key_value(self, x_BLD: Tensor, rotations_LP: Tensor) -> tuple[Tensor, Tensor]:
        """`key_BLH(C+R)`, whose rotary part is the same in all heads, and `value_BLHV`."""
        config = self.config
        latent, rotary_BLR = self.key_value_down(x_BLD).split([config.key_value_rank, config.rope_width], -1)
        expanded = self.key_value_up(self.key_value_norm(latent)).unflatten(-1, (config.heads, -1))
        plain, value = expanded.split([config.head_width, config.value_width], -1)
        rotary = rotate(rotary_BLR.unsqueeze(2), rotations_LP).expand(-1, -1, config.heads, -1)
        return torch.cat([plain, rotary], -1), value
