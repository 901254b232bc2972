"""Runs side by side: each module turns what is known of several runs into rows with a value for each."""
