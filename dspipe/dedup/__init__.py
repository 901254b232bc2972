"""filtered → distinct: exact copies, then near copies, each verified against the document that is kept."""
