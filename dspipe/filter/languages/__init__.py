"""The parts of `dspipe.filter.language`: spans of text, the models that name their languages, the lines."""
