"""One file for each command that is no stage."""
