"""Formats of text: files of lines, of separated values, or of one document each, become rows."""
