"""Multi-head latent attention: turns hidden states into what each token draws from the tokens before it.

Keys and values of all heads come from one narrow latent, queries from another (or straight from the hidden
state); position enters through a separate rotary part, one for all heads in the keys and one per head in the
queries (DeepSeek-V3 report, 2.1.1). The latents are normalised, the rotary key is not. In training the
latents are expanded and the attention itself is torch's: what the design saves is cache, which training does
not have.

Legend: B rows, L tokens, D width, H heads, C width without position, R rotary width, V value width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dspipe.model.rope import rotate
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
            self.query_norm = nn.RMSNorm(config.query_rank, eps=config.norm_epsilon)
            self.query_up = nn.Linear(config.query_rank, query_width, bias=False)
        self.key_value_down = nn.Linear(config.width, config.key_value_rank + config.rope_width, bias=False)
        self.key_value_norm = nn.RMSNorm(config.key_value_rank, eps=config.norm_epsilon)
        self.key_value_up = nn.Linear(
            config.key_value_rank, config.heads * (config.head_width + config.value_width), bias=False
        )
        self.output = nn.Linear(config.heads * config.value_width, config.width, bias=False)

    def forward(self, x_BLD: Tensor, rotations_LP: Tensor) -> Tensor:
        query = self.project_query(x_BLD, rotations_LP)
        key, value = self.project_key_value(x_BLD, rotations_LP)
        y_BLD: Tensor = self.output(attend(query, key, value).flatten(-2))
        return y_BLD

    def project_query(self, x_BLD: Tensor, rotations_LP: Tensor) -> Tensor:
        """`query_BLH(C+R)`, rotated."""
        if self.config.query_rank is None:
            query = self.query(x_BLD)
        else:
            query = self.query_up(self.query_norm(self.query_down(x_BLD).float()))
        plain, rotary = query.unflatten(-1, (self.config.heads, -1)).split(
            [self.config.head_width, self.config.rope_width], -1
        )
        return torch.cat([plain, rotate(rotary, rotations_LP)], -1)

    def project_key_value(self, x_BLD: Tensor, rotations_LP: Tensor) -> tuple[Tensor, Tensor]:
        """`key_BLH(C+R)`, whose rotary part is the same in all heads, and `value_BLHV`."""
        config = self.config
        latent, rotary_BLR = self.key_value_down(x_BLD).split([config.key_value_rank, config.rope_width], -1)
        expanded = self.key_value_up(self.key_value_norm(latent.float())).unflatten(-1, (config.heads, -1))
        plain, value = expanded.split([config.head_width, config.value_width], -1)
        rotary = rotate(rotary_BLR.unsqueeze(2), rotations_LP).expand(-1, -1, config.heads, -1)
        return torch.cat([plain, rotary], -1), value


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention over whole rows; heads are the last dimension but one, in and out.

    The scale is (C+R)^-0.5 over the whole score.
    """
    scale, value_width = query.shape[-1] ** -0.5, value.shape[-1]
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    if not takes_narrow_values(query.device):
        width = max(query.shape[-1], value_width)
        query, key, value = (widen(part, width) for part in (query, key, value))
    drawn = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
    return drawn[..., :value_width].transpose(1, 2)


def widen(x: Tensor, width: int) -> Tensor:
    """Zeros behind, which change neither a score nor a drawn value."""
    return x if x.shape[-1] == width else F.pad(x, (0, width - x.shape[-1]))


def takes_narrow_values(device: torch.device) -> bool:
    """Whether torch's fast attention takes values narrower than keys.

    CUDA's does (cuDNN on Hopper, the memory-efficient kernel elsewhere). A CPU's flash kernel wants equal
    widths, and six times slower is what it falls back to.
    """
    return device.type == "cuda"
