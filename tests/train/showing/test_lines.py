"""What is left of a file of lines when a training goes on from a checkpoint."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from dspipe.recipe import DspipeError
from dspipe.train.showing.lines import Lines


def write(path: Path, steps: range, name: str = "web") -> None:
    with closing(Lines(path, steps.start - 1)) as lines:
        for step in steps:
            lines.write({"step": step, "name": name})


def read_steps(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_bytes().split(b"\n")[:-1]]


def test_lines_of_later_steps_and_a_torn_one_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    write(path, range(1, 6))
    with open(path, "a") as file:
        file.write('{"step": 6, "na')
    Lines(path, 9).close()
    assert read_steps(path) == [1, 2, 3, 4, 5]
    write(path, range(4, 7))
    assert read_steps(path) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["we\u2028b", "we\x85b", "we\x0bb", "we\rb"])
def test_a_name_that_holds_what_others_take_for_the_end_of_a_line_ends_none(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "lines.jsonl"
    write(path, range(1, 4), name)
    Lines(path, 3).close()
    assert read_steps(path) == [1, 2, 3]


@pytest.mark.parametrize("damage", [b"\0" * 20, b'{"step": 2, "na', b"\xff\xfe", b"7", b"{}"])
def test_a_damaged_line_is_named_and_the_file_is_kept(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    write(path, range(1, 4))
    first, _, third, _ = path.read_bytes().split(b"\n")
    content = b"\n".join([first, damage, third, b""])
    path.write_bytes(content)
    with pytest.raises(DspipeError, match=r"lines\.jsonl: line 2 is damaged; .*--rebuild train"):
        Lines(path, 3)
    assert path.read_bytes() == content
