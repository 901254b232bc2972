"""The numbers of a training → lines, for files, terminals and other programs."""
