"""`python -m madar`."""

from madar.cli import main

main()
