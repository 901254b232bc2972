"""The report of a run: each module turns files of its folder into plain tables, for a page or a program."""
