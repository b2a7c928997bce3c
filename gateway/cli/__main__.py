"""`python -m gateway.cli`: the same as `assay`."""

from gateway.cli.program import main

main()
