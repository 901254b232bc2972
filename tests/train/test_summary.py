from dspipe.train.summary import count_rows


def test_rows_are_counted_over_lengths() -> None:
    """Of 10 rows of 16, 4 were met; of 6 rows of 32, 15, which is 9 of them again."""
    counts = count_rows({16: 10, 32: 6}, {16: 4, 32: 15})
    assert counts.reconcile()
    assert (counts.in_, counts.out, counts.added, counts.dropped) == (16, 19, 9, {"not-reached": 6})


def test_rows_that_are_all_met_leave_none_out() -> None:
    assert count_rows({16: 10}, {16: 10}).dropped == {}
