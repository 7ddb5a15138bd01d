"""`python -m amendment` is the command line."""

from amendment.cli import main

main()
