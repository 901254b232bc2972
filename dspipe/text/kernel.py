"""Turns a plain Python function into a compiled kernel that is kept on disk, and says where.

A kernel releases the GIL and never allocates: everything it writes to is passed in. That allows `_nrt=False`,
which takes away numba's reference counting of arrays (10 times, where small kernels call each other).

Numba's own cache looks at the file of a kernel only, so an edit in a kernel that it calls would go unseen.
The cache folder is therefore named by a hash of every source file with kernels, of numba's version and of the
processor.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numba
import xxhash
from numba import types
from numba.extending import intrinsic

PACKAGE = Path(__file__).parent.parent


def kernel(function: Callable[..., Any], inline: bool = False) -> Any:
    """Compile `function` on its first call, or take it from the cache folder."""
    compiler: Any = numba
    compiler.config.CACHE_DIR = str(kernel_folder())
    # error_model: a division by zero gives infinity, without a test and an exception at each division
    options = dict(nogil=True, cache=True, _nrt=False, error_model="numpy", forceinline=inline)
    return compiler.njit(**options)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """A kernel whose code stands wherever it is called: each array that is passed costs seven words."""
    return kernel(function, inline=True)


@contextmanager
def compiling_once() -> Iterator[None]:
    """Around first calls of kernels: one process compiles, the others wait and read what it kept."""
    with open(kernel_folder() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def kernel_folder() -> Path:
    """The folder of compiled kernels that belong to these sources, this numba and this processor."""
    digest = xxhash.xxh3_64()
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"dspipe.text.kernel" in source or path == Path(__file__):
            digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + source)
    processor = import_module("llvmlite.binding").get_host_cpu_name()
    digest.update(f"{numba.__version__} {processor}".encode())
    folder = cache_folder() / f"kernels-{digest.hexdigest()}"
    folder.mkdir(exist_ok=True)
    return folder


@cache
def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/dspipe` or `~/.cache/dspipe`; where that cannot be written, one for this process."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "dspipe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        # Not a fixed name under /tmp: numba's cache holds pickles, which nobody else may be able to plant.
        private = Path(tempfile.mkdtemp(prefix="dspipe-"))
        atexit.register(shutil.rmtree, private, ignore_errors=True)
        return private


def generate_load8(typing_context: Any, source: Any, position: Any) -> Any:
    """load8(bytes, position): eight bytes as one little-endian uint64, at any alignment, unchecked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(array.data, [arguments[1]])
        word = builder.load(builder.bitcast(address, context.get_value_type(types.uint64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(source, types.int64), generate


def generate_trailing_zeros(typing_context: Any, number: Any) -> Any:
    """trailing_zeros(uint64): how many of its low bits are zero before the first one; 64 for zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), generate


def generate_count_bits(typing_context: Any, number: Any) -> Any:
    """count_bits(uint64): how many of its bits are one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def generate_store8(typing_context: Any, target: Any, position: Any, word: Any) -> Any:
    """store8(array, position, uint64): eight bytes from an element on, at any alignment, unchecked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(array.data, [arguments[1]])
        pointer = builder.bitcast(address, context.get_value_type(types.uint64).as_pointer())
        builder.store(arguments[2], pointer).align = 1
        return context.get_dummy_value()

    return types.void(target, types.int64, types.uint64), generate


def generate_prefetch(typing_context: Any, source: Any, position: Any) -> Any:
    """prefetch(array, position): have an element brought to the nearest cache; no fault at any position."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir  # type: ignore[import-untyped]

        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte = ir.IntType(8).as_pointer()
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), byte)
        flag = ir.IntType(32)
        called = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], called)
        builder.call(function, [address, flag(0), flag(3), flag(1)])  # to read, keep near, data
        return context.get_dummy_value()

    return types.void(source, types.int64), generate


def generate_fold_product(typing_context: Any, one: Any, other: Any) -> Any:
    """fold_product(uint64, uint64): the upper half of their product of 128 bits ^ the lower half."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        wide, narrow = ir.IntType(128), ir.IntType(64)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        upper = builder.trunc(builder.lshr(product, wide(64)), narrow)
        return builder.xor(upper, builder.trunc(product, narrow))

    return types.uint64(types.uint64, types.uint64), generate


fold_product: Any = intrinsic(generate_fold_product)
load8: Any = intrinsic(generate_load8)
store8: Any = intrinsic(generate_store8)
prefetch: Any = intrinsic(generate_prefetch)
trailing_zeros: Any = intrinsic(generate_trailing_zeros)
count_bits: Any = intrinsic(generate_count_bits)
