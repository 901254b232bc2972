from pathlib import Path

from dspipe.train.loading.documents import read_documents
from tests.reference.rows import write_rows


def test_the_documents_of_a_row_are_named_and_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    ((path, _),) = write_rows(tmp_path, rows=5, parts=1)[16]  # of two record batches
    assert [read_documents(path, row) for row in (0, 4)] == [["0", "1"]] * 2
    assert read_documents(path, 5) == []
    path.write_bytes(path.read_bytes()[:-50])
    assert read_documents(path, 0) == read_documents(tmp_path / "none.arrow", 0) == []
