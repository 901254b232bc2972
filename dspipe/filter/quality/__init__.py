"""Text → quality signals: one walk over characters, words and lines, then what repeats."""
