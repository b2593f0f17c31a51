"""`python -m wooshq_worker`: the command line."""

from wooshq_worker.script import main

main()
