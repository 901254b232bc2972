import doctest

import numpy as np
import torch
import torch.nn.functional as F

import dspipe.batch
from dspipe.batch import IGNORED, PackedBatch


def make_batch(lengths: list[list[int]], length: int = 8) -> PackedBatch:
    tokens = np.arange(1, len(lengths) * length + 1, dtype=np.uint32).reshape(-1, length)
    return PackedBatch.from_lengths(tokens, lengths)


def test_the_worked_example_is_true() -> None:
    assert doctest.testmod(dspipe.batch).failed == 0


def test_a_full_row_has_one_main_target_less_than_tokens() -> None:
    assert int((make_batch([[3, 5]]).targets() != IGNORED).sum()) == 7


def test_a_documents_last_token_predicts_the_next_documents_first() -> None:
    assert make_batch([[3, 5]]).targets()[0, 2] == 4


def test_padding_is_neither_source_nor_target() -> None:
    batch = make_batch([[2, 3], []])
    assert batch.document_BL.tolist() == [[0, 0, 1, 1, 1, -1, -1, -1], [-1] * 8]
    assert (batch.targets()[0] != IGNORED).tolist() == [True] * 4 + [False] * 4
    assert (batch.targets(3)[0] != IGNORED).tolist() == [True] * 2 + [False] * 6
    assert (batch.targets()[1] == IGNORED).all()


def test_rows_do_not_see_each_other() -> None:
    batch = make_batch([[8], [8]])
    assert batch.targets()[0, -1] == IGNORED
    assert batch.shift(2).tokens_BL.tolist() == [[3, 4, 5, 6, 7, 8, 0, 0], [11, 12, 13, 14, 15, 16, 0, 0]]


def test_looking_further_than_a_row_finds_nothing() -> None:
    batch = make_batch([[8]])
    assert (batch.targets(9) == IGNORED).all()
    assert not batch.shift(100).valid_BL.any()


def test_positions_run_through_documents() -> None:
    assert make_batch([[3, 5]]).positions_L.tolist() == list(range(8))


def test_types_are_those_promised() -> None:
    batch = make_batch([[8]])
    assert batch.tokens_BL.dtype == torch.int32
    assert batch.targets().dtype == torch.int64
    assert batch.document_BL.dtype == torch.int32


def test_embedding_by_numbers_of_32_bits_is_that_of_64_in_gradient_too() -> None:
    tokens_BL = make_batch([[8], [3, 5]]).tokens_BL % 5
    gradients = []
    for numbers in (tokens_BL, tokens_BL.long()):
        weight = torch.linspace(-1, 1, 35).reshape(5, 7).requires_grad_()
        F.embedding(numbers, weight).pow(3).sum().backward()
        assert weight.grad is not None
        gradients.append(weight.grad)
    assert torch.equal(*gradients)
