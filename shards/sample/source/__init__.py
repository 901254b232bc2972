"""Hand-written fragments of the sample corpus and the code that composes them into documents."""
