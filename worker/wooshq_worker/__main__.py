"""`python -m wooshq_worker`: the command line."""

from wooshq_worker.cli import main

main()
