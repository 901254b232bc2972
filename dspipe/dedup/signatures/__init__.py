"""Texts → what copies are found by: exact keys, sets of shingles, MinHash signatures, places in the order."""
