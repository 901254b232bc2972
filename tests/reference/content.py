"""The measures of a page's blocks by their definition: the slow twin of `dspipe.extract.pages.content`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from dspipe.extract.markup import tags
from tests.reference.pages import Block, Layout, as_bytes


def mark(characters: str) -> list[str]:
    return [as_bytes(character) for character in characters]


STOPS = re.compile("|".join(map(re.escape, mark(".,;:!?،؛؟।。、！，：；？…"))))
ENDS = tuple(mark('.!?:;")»،؛؟।。、！，：；？…”）'))
KIND_NAMES = ("", "paragraph", "heading", "item", "cell", "code", "quote", "term", "caption")
FLAGS = "PRE NAVIGATION HEADER FOOTER SIDE COMMENTS SHARING RELATED NOTICE BYLINE "
FLAGS += "FORM ARTICLE MAIN BODY LISTED TABLE QUOTED FIGURE TEASER"
FLAG_NAMES = {name.lower(): getattr(tags, name) for name in FLAGS.split()}
UNFIT = tags.COMMENTS | tags.FOOTER | tags.NAVIGATION | tags.NOTICE


@dataclass
class Facts:
    """Of a block."""

    size: int
    stops: int
    ended: bool
    links: float  # share of its text
    good: float  # text that is no link


@dataclass
class Holder:
    """What is known of an element that holds blocks."""

    parent: int
    text: int = 0
    linked: int = 0
    score: float = 0.0

    @property
    def links(self) -> float:
        return self.linked / max(self.text, 1)

    @property
    def worth(self) -> float:
        return self.score * (1 - min(self.links, 1))


def measure_blocks(layout: Layout) -> list[dict[str, float]]:
    """name → measure, for every block."""
    blocks = layout.blocks
    facts = [gather_facts(block) for block in blocks]
    holders = sum_holders(layout, facts)
    best = max(range(len(holders)), key=lambda holder: holders[holder].worth)
    lines = [climb(holder, layout.elements) for holder in range(len(holders))]
    inside = [best in lines[block.element] for block in blocks]
    first = inside.index(True) if any(inside) else 0
    last = len(inside) - 1 - inside[::-1].index(True) if any(inside) else 0
    good, linked = sum(fact.good for fact in facts), sum(block.linked for block in blocks)
    rows = []
    for i, (block, fact) in enumerate(zip(blocks, facts, strict=True)):
        parent = holders[block.element]
        grandparent = holders[parent.parent]
        steps = next(step for step, holder in enumerate(lines[best]) if holder in lines[block.element])
        row: dict[str, float] = {
            "size": math.log1p(fact.size) / 5,
            "links": fact.links,
            "punctuation": min(30 * fact.stops / max(fact.size, 1), 2),
            "stops": min(fact.stops, 10) / 5,
            "ended": fact.ended,
            **{f"is {name}": block.kind == kind for kind, name in enumerate(KIND_NAMES) if kind},
            **{f"in {name}": bool(block.flags & flag) for name, flag in FLAG_NAMES.items()},
            "place": i / len(blocks),
            "text before": sum(fact.good for fact in facts[:i]) / (good + 1),
            "blocks of page": math.log1p(len(blocks)) / 6,
            "text of page": math.log1p(good) / 8,
            "links of page": linked / max(good + linked, 1),
            "in best": inside[i],
            "steps to best": min(steps, 6) / 6,
            "near best": steps <= 1,
            "score of parent": parent.worth / (holders[best].worth + 1e-9),
            "log score of parent": math.log1p(parent.worth) / 4,
            "score of grandparent": grandparent.worth / (holders[best].worth + 1e-9),
            "links of parent": parent.links,
            "links of grandparent": grandparent.links,
            "share of parent": parent.text / max(holders[0].text, 1),
            "share of grandparent": grandparent.text / max(holders[0].text, 1),
            "size of parent": math.log1p(parent.text) / 8,
            "before best": i < first,
            "behind best": i > last,
            "blocks to best": min(max(first - i, i - last, 0), 30) / 30,
            "gap": min(block.gap, 2) / 2,
            "sentences before": log_sentences(facts[max(i - 3, 0) : i]),
            "sentences behind": log_sentences(facts[i + 1 : i + 4]),
        }
        for name, other in (("previous", i - 1), ("next", i + 1)):
            there = 0 <= other < len(blocks)
            near, known = (blocks[other], facts[other]) if there else (None, Facts(0, 0, False, 0, 0))
            row[f"size of {name}"] = math.log1p(known.good) / 5
            row[f"links of {name}"] = known.links
            row[f"ended of {name}"] = known.ended
            row[f"paragraph of {name}"] = near is not None and near.kind == tags.PARAGRAPH
            row[f"stops of {name}"] = min(known.stops, 10) / 5
            row[f"beside {name}"] = near is not None and near.element == block.element
        prose = (1 - fact.links) * fact.ended
        for name, flag in (("item", tags.LISTED), ("cell", tags.TABLE)):
            within = bool(block.flags & flag)
            row[f"prose of {name}"] = within * prose
            row[f"text of {name}"] = within * math.log1p(fact.good) / 5
            row[f"{name} in best"] = within * inside[i]
        del row["text of cell"]
        rows.append(row)
    return rows


def gather_facts(block: Block) -> Facts:
    size = len(block.text)
    links = min(block.linked / max(size, 1), 1)
    text = block.text.rstrip("".join(map(chr, range(33))))
    return Facts(size, len(STOPS.findall(block.text)), text.endswith(ENDS), links, max(size, 1) * (1 - links))


def log_sentences(facts: list[Facts]) -> float:
    return math.log1p(sum(fact.good for fact in facts if fact.ended)) / 7


def climb(holder: int, parents: list[int]) -> list[int]:
    """The element and all around it, up to the page."""
    line = [holder]
    while holder:
        holder = parents[holder]
        line.append(holder)
    return line


def sum_holders(layout: Layout, facts: list[Facts]) -> list[Holder]:
    holders = [Holder(parent) for parent in layout.elements]
    for block, fact in zip(layout.blocks, facts, strict=True):
        line = climb(block.element, layout.elements)
        for holder in line:
            holders[holder].text += fact.size
            holders[holder].linked += block.linked
        if fact.size >= 25 and not block.flags & UNFIT:
            score = (min(fact.stops, 8) + min(fact.size / 100, 4)) * (1 - fact.links)
            for holder, part in zip(line, (1, 0.6, 0.3), strict=False):
                holders[holder].score += part * score
    return holders


def choose_blocks(layout: Layout, weights: dict[str, float], bias: float) -> list[bool]:
    """Whether the weighted sum of a block's measures is above zero."""
    return [
        bias + sum(weights[name] * value for name, value in row.items()) > 0 for row in measure_blocks(layout)
    ]
