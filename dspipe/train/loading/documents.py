"""Rows of packed tokens → the ids of the documents in them, read where a message is to name them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

COLUMN = "documents"


def read_documents(path: Path, row: int) -> list[str]:
    """Of a row of a part, in order, each once; none where the file does not tell."""
    try:
        with pa.OSFile(str(path)) as source:  # no mapping, which a file that is cut short would kill us by
            place = pa.ipc.open_file(source).schema.get_field_index(COLUMN)
            reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=[place]))
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                if row < batch.num_rows:
                    return list(dict.fromkeys(batch[COLUMN][row].as_py()))
                row -= batch.num_rows
    except (pa.ArrowException, OSError, LookupError, ValueError, OverflowError):
        pass  # the rows are named all the same
    return []
