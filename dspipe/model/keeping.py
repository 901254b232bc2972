"""What autograd saves of a forward pass → less of it: tensors to be made again, or kept in fewer bits.

Within `made_again`, whoever saves the tensor for the backward pass, or a view of it, saves how to make it,
and within `kept_narrow` its codes; neither the layer that makes the tensor nor those that use it know. What
is made again has the same bits, so that only memory and time change; what is kept in fewer bits is rounded.

Nothing happens unless a `Keeper` is in use (`with keeper:`) that was told so, and a gradient is asked for.

    norms         the outputs of RMSNorm (DeepSeek-V3 report, 3.2.3)
    projections   queries, keys and values, from MLA's latents (the same)
    activations   the outputs of SwiGLU; always, where its inputs are kept in fewer bits (3.3.3)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


class Format(Protocol):
    """A way to keep a tensor in fewer bits, and to have it back."""

    def narrow(self, x: Tensor) -> tuple[Tensor, ...]: ...

    def widen(self, kept: tuple[Tensor, ...], like: Like) -> Tensor: ...


@dataclass(frozen=True)
class Like:
    """Shape and type of a tensor that is not there."""

    shape: torch.Size
    dtype: torch.dtype


class Redeemable(Protocol):
    """What was saved instead of a tensor, and gives it back."""

    def redeem(self) -> Tensor: ...


class Origin:
    """Where tensors come from that were not kept: made, from what was kept, when the first of their users
    asks, and forgotten when the last one has.
    """

    def __init__(self, kept: tuple[Any, ...], make: Callable[..., tuple[Tensor, ...]]) -> None:
        self.kept, self.make, self.users = kept, make, 0
        self.made: tuple[Tensor, ...] | None = None

    def take(self, index: int) -> Tensor:
        if self.made is None:
            self.made = self.make(*self.kept)
        tensor = self.made[index]
        self.users -= 1
        if self.users <= 0:
            self.made = None
        return tensor


@dataclass(frozen=True)
class Ticket:
    """A saved tensor: the `index`-th of its origin, or a view of that."""

    origin: Origin
    index: int
    size: torch.Size
    stride: tuple[int, ...]
    offset: int

    def redeem(self) -> Tensor:
        return self.origin.take(self.index).as_strided(self.size, self.stride, self.offset)


class Keeper:
    """Replaces what autograd saves while it is in use.

    again: which kinds are made again. formats: by the name that `kept_narrow` is given, what is kept in
    fewer bits. `others`: asked, where there is one, what to save for a tensor that is not known.
    """

    def __init__(self, again: Collection[str] = (), formats: Mapping[str, Format] | None = None) -> None:
        self.formats = dict(formats or {})
        self.again = frozenset(again) | ({"activations"} & self.formats.keys())
        self.known: dict[int, tuple[Origin, int]] = {}
        self.others: Callable[[Tensor], Redeemable] | None = None
        self.hooks: AbstractContextManager[object] | None = None
        self.token: Token[Keeper | None] | None = None

    def __enter__(self) -> Keeper:
        self.token = CURRENT.set(self)
        if self.again or self.formats:
            self.hooks = torch.autograd.graph.saved_tensors_hooks(self.pack, self.unpack)
            self.hooks.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        if self.hooks is not None:
            self.hooks.__exit__(*failure)
            self.hooks = None
        assert self.token is not None
        CURRENT.reset(self.token)

    def pack(self, tensor: Tensor) -> Any:
        origin, index = self.known.get(locate(tensor), (None, 0))
        if origin is not None:
            origin.users += 1
            return Ticket(origin, index, tensor.size(), tensor.stride(), int(tensor.storage_offset()))
        return tensor if self.others is None else self.others(tensor)

    def unpack(self, kept: Any) -> Any:
        return kept.redeem() if hasattr(kept, "redeem") else kept

    @contextmanager
    def know(self, origin: Origin, tensors: tuple[Tensor, ...]) -> Iterator[None]:
        """While the tensors are alive: a place in memory is theirs no longer than that."""
        places = [locate(tensor) for tensor in tensors]
        self.known |= {place: (origin, index) for index, place in enumerate(places)}
        try:
            yield
        finally:
            for place in places:
                self.known.pop(place, None)


CURRENT: ContextVar[Keeper | None] = ContextVar("keeper", default=None)


def locate(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def find_keeper() -> Keeper | None:
    """The keeper in use, where a gradient is asked for."""
    return CURRENT.get() if torch.is_grad_enabled() else None


def can_be_had(tensor: Tensor) -> bool:
    """Whether to save this tensor costs nothing, since it is made again or has been kept in fewer bits."""
    keeper = CURRENT.get()
    return keeper is not None and locate(tensor) in keeper.known


@contextmanager
def made_again(kind: str, make: Callable[..., Any], *inputs: Any) -> Iterator[Any]:
    """make(*inputs), one tensor or several, which are made again for the backward pass where `kind` is.

    The inputs are kept instead, as they would be by themselves.
    """
    outputs, keeper = make(*inputs), find_keeper()
    if keeper is None or kind not in keeper.again:
        yield outputs
        return
    kept = tuple(keeper.pack(part.detach()) if isinstance(part, Tensor) else part for part in inputs)
    several = isinstance(outputs, tuple)
    tensors: tuple[Tensor, ...] = outputs if several else (outputs,)
    device = tensors[0].device.type
    precision = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)

    def remake(*kept: Any) -> tuple[Tensor, ...]:
        parts = [keeper.unpack(part) for part in kept]
        with torch.no_grad(), torch.autocast(device, *precision):
            made = make(*parts)
        return made if several else (made,)

    with keeper.know(Origin(kept, remake), tensors):
        yield outputs


@contextmanager
def kept_narrow(name: str, x: Tensor) -> Iterator[None]:
    """Within, whoever saves x saves its codes in the format of that name, where there is one."""
    keeper = find_keeper()
    if keeper is None or name not in keeper.formats:
        yield
        return
    with keeper.know(narrow(keeper.formats[name], x), (x,)):
        yield


def narrow(format: Format, x: Tensor) -> Origin:
    assert x.is_contiguous() and x.storage_offset() == 0, "what is widened lies so, and views count on it"
    like = Like(x.shape, x.dtype)
    return Origin(format.narrow(x.detach()), lambda *kept: (format.widen(kept, like),))
