"""Which language a text is in: spans of it, models that name their languages, and what lines add up to."""
