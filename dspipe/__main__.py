"""`python -m dspipe` is the same as `dspipe`."""

from dspipe.cli import main

main()
