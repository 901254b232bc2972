"""A product with a weight, in the type that is computed in: fprop, the output; dgrad, the gradient by the
input; wgrad, that by the weight.

Every product of the network but those of gates, head and attention's scores is made by such an object.
`Fp8Products` has the same methods and makes them in 8 bits; `use_products` puts it in place, and layers do
not know which they have.

Legend: N rows (tokens, or M places of tokens sorted by expert), I input width, O output width, E experts.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from torch import Tensor

from dspipe.model.products.grouped import multiply_grouped, sum_outer_products


class Source(enum.Enum):
    """What an operand is, which decides how it may be rounded."""

    HIDDEN = enum.auto()
    ATTENTION = enum.auto()  # the output of attention
    ACTIVATION = enum.auto()
    DISPATCH = enum.auto()  # what is sent to the experts
    GRADIENT = enum.auto()
    DISPATCHED_GRADIENT = enum.auto()


KINDS = ("fprop", "dgrad", "wgrad")


class Shape(NamedTuple):
    """Of a product: N rows, O outputs, I inputs; experts: among how many weights rows are divided, or 0."""

    rows: int
    outputs: int
    inputs: int
    experts: int = 0

    def describe(self) -> str:
        among = f" of {self.experts} experts" if self.experts else ""
        return f"{self.rows:,} x {self.outputs:,} x {self.inputs:,}{among}"


class Weight(NamedTuple):
    """A weight (O, I), or (E, O, I) of experts, and what `prepare` made of it."""

    tensor: Tensor
    prepared: Any


class Products:
    """Operands are tensors in the type that is computed in; nothing is rounded but by that."""

    def prepare(self, weight: Tensor) -> Any:
        """What products with this weight need beside it, made once for all of a step."""
        return None

    def refresh(self, weight: Tensor) -> None:
        """Make that anew, where it was made: the weight has changed, and is at hand."""

    def take(self, x: Tensor, source: Source, dtype: Any) -> Any:
        """An operand of the rows `x_NI`, of which rows can be chosen by `select_rows`."""
        return x.to(dtype)

    def select_rows(self, x: Any, index: Tensor) -> Any:
        return x.index_select(0, index)

    def save(self, x: Any) -> tuple[Tensor, ...]:
        """The operand as tensors to keep for the backward pass, and back by `restore`."""
        return (x,)

    def restore(self, saved: tuple[Tensor, ...], source: Source, dtype: Any) -> Any:
        return saved[0]

    def narrow(self, hidden: Tensor) -> tuple[Tensor, ...]:
        """The input of SwiGLU as tensors to keep for the backward pass, and back by `widen`."""
        return (hidden,)

    def widen(self, saved: tuple[Tensor, ...], dtype: Any) -> Tensor:
        return saved[0]

    def multiply(self, x: Any, weight: Weight, ends_E: Tensor | None = None) -> Tensor:
        """`y_NO`, or where rows end at `ends_E` for each expert, each row times its expert's weight."""
        own = weight.tensor.to(x.dtype)
        return x @ own.T if ends_E is None else multiply_grouped(x, own, ends_E)

    def multiply_back(self, grad: Any, weight: Weight, ends_E: Tensor | None = None) -> Tensor:
        """The gradient by x, `grad_NI`, from that by y."""
        own = weight.tensor.to(grad.dtype)
        return grad @ own if ends_E is None else multiply_grouped(grad, own.transpose(1, 2), ends_E)

    def sum_outer(self, grad: Any, x: Any, ends_E: Tensor | None = None) -> Tensor:
        """The gradient by the weight, (O, I) or (E, O, I)."""
        return grad.T @ x if ends_E is None else sum_outer_products(grad, x, ends_E)


PLAIN = Products()
