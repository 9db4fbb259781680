"""Run the command line as ``python -m otoloop``."""

from otoloop.cli import main

main()
