"""`python cli.py ...` is `mmsearch ...`."""

from mmsearch.cli import main

raise SystemExit(main())
