"""Multi-head latent attention: turns hidden states into what each token draws from the tokens before it.

Keys and values of all heads come from one narrow latent, queries from another (or straight from the hidden
state); position enters through a separate rotary part, one for all heads in the keys and one per head in the
queries (DeepSeek-V3 report, 2.1.1). The latents are normalised, the rotary key is not. In training the
latents are expanded and the attention itself is a kernel's (`kernels.py`): what the design saves is cache,
which training does not have.

Legend: B rows, L tokens, D width, H heads, C width without position, R rotary width, V value width.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from dspipe.model.attention.drawn import drawn_narrow
from dspipe.model.attention.kernels import Kernel, choose_kernel
from dspipe.model.attention.rope import Rotary, rotate
from dspipe.model.keeping import made_again
from dspipe.model.norm import Norm
from dspipe.model.precision import compute_dtype
from dspipe.model.products.linear import Linear
from dspipe.model.products.plain import Source
from dspipe.recipe import Model


class Attention(nn.Module):
    def __init__(self, config: Model) -> None:
        super().__init__()
        self.config = config
        query_width = config.heads * (config.head_width + config.rope_width)
        if config.query_rank is None:
            self.query = Linear(config.width, query_width)
        else:
            self.query_down = Linear(config.width, config.query_rank)
            self.query_norm = Norm(config.query_rank, config.norm_epsilon)
            self.query_up = Linear(config.query_rank, query_width)
        self.key_value_down = Linear(config.width, config.key_value_rank + config.rope_width)
        self.key_value_norm = Norm(config.key_value_rank, config.norm_epsilon)
        self.key_value_up = Linear(
            config.key_value_rank, config.heads * (config.head_width + config.value_width)
        )
        self.output = Linear(config.heads * config.value_width, config.width, Source.ATTENTION)

    def forward(self, x_BLD: Tensor, rotary: Rotary, ends_D: Tensor | None = None) -> Tensor:
        """`y_BLD`; ends_D: where documents end that see themselves alone, counted through all rows' tokens.
        Without, a token sees its row up to itself.
        """
        config, (rotations_LP, scale) = self.config, rotary
        widths = config.head_width + config.rope_width, config.value_width
        kernel = choose_kernel(x_BLD.device, compute_dtype(x_BLD), widths, ends_D is not None)
        attend = partial(kernel.attend, scale=scale)
        if ends_D is not None:
            attend = partial(kernel.attend_apart, scale=scale, ends_D=ends_D)
        latents = x_BLD if config.query_rank is None else self.query_down(x_BLD), self.key_value_down(x_BLD)
        with (
            made_again("projections", self.project, *latents, rotations_LP, kernel) as parts,
            drawn_narrow(attend, parts, config.value_width) as drawn,
        ):
            y_BLD: Tensor = self.output(drawn)
        return y_BLD

    def project(
        self, query: Tensor, key_value: Tensor, rotations_LP: Tensor, kernel: Kernel
    ) -> tuple[Tensor, ...]:
        """Query, key and value, (B, L, H, width), as the kernel wants them, from what they come from."""
        key, value = self.project_key_value(key_value, rotations_LP)
        return kernel.widen(self.project_query(query, rotations_LP), key, value)

    def project_query(self, source: Tensor, rotations_LP: Tensor) -> Tensor:
        """`query_BLH(C+R)`, rotated; source: the latent, or where there is none x."""
        if self.config.query_rank is None:
            query = self.query(source)
        else:
            with made_again("norms", self.query_norm, source) as normed:
                query = self.query_up(normed)
        plain, rotary = query.unflatten(-1, (self.config.heads, -1)).split(
            [self.config.head_width, self.config.rope_width], -1
        )
        return torch.cat([plain, rotate(rotary, rotations_LP)], -1)

    def project_key_value(self, source: Tensor, rotations_LP: Tensor) -> tuple[Tensor, Tensor]:
        """`key_BLH(C+R)`, whose rotary part is the same in all heads, and `value_BLHV`; source: the latent
        and the rotary key.
        """
        config = self.config
        latent, rotary_BLR = torch.split(source, [config.key_value_rank, config.rope_width], -1)
        with made_again("norms", self.key_value_norm, latent) as normed:
            expanded = self.key_value_up(normed).unflatten(-1, (config.heads, -1))
        plain, value = expanded.split([config.head_width, config.value_width], -1)
        rotary = rotate(rotary_BLR.unsqueeze(2), rotations_LP).expand(-1, -1, config.heads, -1)
        return torch.cat([plain, rotary], -1), value
