"""Text that repeats inside documents → cuts: boilerplate lines of a host or source, and long substrings."""
