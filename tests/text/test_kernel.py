"""Where compiled kernels are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from dspipe.text import kernel


def test_the_cache_folder_follows_xdg_cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernel.cache_folder.__wrapped__() == tmp_path / "dspipe"


def test_a_cache_that_cannot_be_written_is_replaced_by_a_private_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = kernel.cache_folder.__wrapped__()
    assert folder.is_dir() and folder.stat().st_mode & 0o077 == 0


def test_an_edit_of_any_kernel_source_names_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "PACKAGE", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = tmp_path / "words.py"
    source.write_text("from dspipe.text.kernel import kernel")
    before = kernel.kernel_folder.__wrapped__()
    source.write_text("from dspipe.text.kernel import kernel  # edited")
    (tmp_path / "other.py").write_text("no kernels in here")
    after = kernel.kernel_folder.__wrapped__()
    assert before != after
    (tmp_path / "other.py").write_text("edited, and still none")
    assert kernel.kernel_folder.__wrapped__() == after
