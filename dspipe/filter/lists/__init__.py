"""What users list: blocked hosts, URLs and words, and patterns of licences."""
