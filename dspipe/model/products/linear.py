"""Linear layers, whose products can be made in the type that is computed in, or in 8 bits.

Legend: I input width, O output width; inputs have any dimensions before the last.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dspipe.model.keeping import can_be_had
from dspipe.model.precision import compute_dtype
from dspipe.model.products.plain import PLAIN, Products, Source, Weight


class Linear(nn.Module):
    """y = W x, without a bias; source: what x is."""

    def __init__(self, inputs: int, outputs: int, source: Source = Source.HIDDEN) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.source = source
        self.products = PLAIN

    def forward(self, x: Tensor) -> Tensor:
        prepared = self.products.prepare(self.weight)
        arguments = x, self.weight, prepared, self.products, self.source, torch.is_grad_enabled()
        y: Tensor = Product.apply(*arguments)  # type: ignore[no-untyped-call]
        return y


class Product(torch.autograd.Function):
    """Keeps x as the products have it, or as it is where that costs nothing; followed: by a backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight_OI: Tensor,
        prepared: Any,
        products: Products,
        source: Source,
        followed: bool,
    ) -> Tensor:
        dtype, free = compute_dtype(x), can_be_had(x)
        operand = products.take(x.flatten(0, -2), source, dtype)
        if followed:
            ctx.save_for_backward(weight_OI, *((x,) if free else products.save(operand)))
        ctx.state = prepared, products, source, dtype, free, x.shape, x.dtype
        y: Tensor = products.multiply(operand, Weight(weight_OI, prepared)).view(*x.shape[:-1], -1)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight_OI, *saved = ctx.saved_tensors
        prepared, products, source, dtype, free, shape, x_dtype = ctx.state
        grad_NO = products.take(grad.flatten(0, -2), Source.GRADIENT, dtype)
        x_grad = weight_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = products.multiply_back(grad_NO, Weight(weight_OI, prepared)).to(x_dtype).view(shape)
        if ctx.needs_input_grad[1]:
            if free:
                x = products.take(saved[0].flatten(0, -2), source, dtype)
            else:
                x = products.restore(tuple(saved), source, dtype)
            weight_grad = products.sum_outer(grad_NO, x).to(weight_OI.dtype)
        return x_grad, weight_grad, None, None, None, None


def use_products(network: nn.Module, products: Products) -> None:
    """Have all layers of the network multiply so."""
    for module in network.modules():
        if hasattr(module, "products"):
            setattr(module, "products", products)  # noqa: B010, a module's attributes have no such type
