"""`dspipe doctor`: this machine → what dspipe will use of it, and what it lacks."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from typing import Any

import click

from dspipe import __version__
from dspipe.commands.terminal import print_json

PACKAGES = (
    "torch", "numpy", "numba", "pyarrow", "tokenizers", "sentencepiece", "datasketch", "scipy",
    "fastwarc", "resiliparse", "py3langid", "safetensors", "msgspec", "click", "rich", "xxhash",
    "fsspec", "jinja2",
)  # fmt: skip


def doctor(as_json: bool) -> None:
    """Examine and print; nothing is changed."""
    findings = examine()
    if as_json:
        print_json(findings)
        return
    for name, value in findings.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {version}" for key, version in value.items())
        click.echo(f"{name:<12} {value}")


def examine() -> dict[str, Any]:
    return {
        "dspipe": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)),
        "memory": show_gigabytes(total_memory()),
        "disk": f"{show_gigabytes(shutil.disk_usage('.').free)} free here",
        "packages": {name: version_of(name) for name in PACKAGES},
        "training": describe_training(),
        "fp8": describe_fp8(),
        "machines": "one; a cluster is not in this version",
        "kernels": describe_kernels(),
    }


def total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def show_gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def version_of(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"missing: {sys.executable} -m pip install {name}"


def describe_training() -> str:
    try:
        import torch
    except ImportError:
        return "torch is missing: the text half works, training does not"
    from dspipe.recipe import PRESETS, Model, Train
    from dspipe.train.machine.device import choose_device, describe_computation

    device = choose_device()  # for heads as DeepSeek-V3 has them
    found = describe_computation(device, Train(model=Model(**PRESETS["671b"])))
    if device.type == "cuda":
        return f"{found}; {show_gigabytes(torch.cuda.get_device_properties(device).total_memory)}"
    return f"{found}; presets above smoke want a GPU"


def describe_fp8() -> dict[str, str] | str:
    """What each of train.fp8.mode does here."""
    try:
        import torch
    except ImportError:
        return "torch is missing"
    from dspipe.fp8.native import find_obstacle

    obstacle = find_obstacle(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if obstacle:
        return {"on": f"refused, {obstacle}", "auto": "as off", "emulate": "the same codes, in float32"}
    return {
        "on": "8-bit units, through torch's scaled_mm; experts one after the other",
        "auto": "each product by 8-bit units or not, as is faster, measured when training begins",
        "emulate": "the same codes, in float32",
    }


def describe_kernels() -> str:
    from dspipe.text.kernel import cache_folder

    folder = cache_folder()
    compiled = len(list(folder.rglob("*.nbc"))) if folder.is_dir() else 0
    return (
        f"{compiled} compiled in {folder}"
        if compiled
        else f"none compiled yet; they will be kept in {folder}"
    )
