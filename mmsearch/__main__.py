"""`python -m mmsearch` is `mmsearch`."""

from mmsearch.cli import main

main()
