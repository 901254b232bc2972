"""Numbers around 1 → a small picture: clear at 1, towards one colour above and another below.

The picture is a PNG with a palette that lets through what is behind it, so it suits a light page and a dark
one; a pixel is a cell.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEPTH = 16  # shades on each side
REACH = 2.0  # powers of two to the last shade: a quarter and less, four times and more
ABOVE, BELOW = (217, 83, 25), (33, 113, 181)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def shade(ratios: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Of each ratio its entry in the palette: DEPTH for 1, 0 for ¼ and less, 2 * DEPTH for 4 and more."""
    import numpy as np

    powers = np.log2(np.maximum(ratios, 2.0 ** (-2 * REACH)))
    entries = np.clip(np.rint(DEPTH + powers * DEPTH / REACH), 0, 2 * DEPTH)
    shades: NDArray[np.uint8] = entries.astype(np.uint8)
    return shades


def list_colours() -> list[tuple[int, int, int, int]]:
    """Red, green, blue and how much of it covers, of each entry."""
    colours = []
    for entry in range(2 * DEPTH + 1):
        covers = round(255 * math.sqrt(abs(entry - DEPTH) / DEPTH))  # so that a tenth more is seen
        colours.append((*(ABOVE if entry > DEPTH else BELOW), covers))
    return colours


def draw_heat(ratios: NDArray[np.float64]) -> str:
    """(rows, columns) → the address that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(write_png(shade(ratios))).decode()


def write_png(entries: NDArray[np.uint8]) -> bytes:
    """(rows, columns) entries of the palette → a file (PNG, third edition: 8 bits, colour type 3)."""
    rows, columns = entries.shape
    colours = list_colours()
    lines = b"".join(b"\0" + row.tobytes() for row in entries)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(value for colour in colours for value in colour[:3])),
        (b"tRNS", bytes(colour[3] for colour in colours)),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    return SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def list_legend() -> list[tuple[str, str]]:
    """(label, colour) of some shades, from the least."""
    colours = list_colours()
    labels = []
    for power in range(-math.ceil(REACH), math.ceil(REACH) + 1):
        red, green, blue, covers = colours[DEPTH + round(power * DEPTH / REACH)]
        name = {-2: "≤ ¼", -1: "½", 0: "mean", 1: "2×", 2: "≥ 4×"}[power]
        labels.append((name, f"rgb({red} {green} {blue} / {covers / 2.55:.0f}%)"))
    return labels
