"""Text as (bytes, offsets): Unicode classes, words and hashes, without a Python object per document."""
