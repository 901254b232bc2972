"""Counted pieces → the merges of a byte-level BPE."""
