"""Extract: crawls and files of text become rows of text, each with the place it came from."""
