"""Archives: WARC and ARC files of crawls become records, and these become rows."""
