"""Markup: the bytes of an HTML page become blocks of text, in one pass, by kernels."""
