"""`python -m wooshq_worker` is the same as the console script `wooshq`."""

from wooshq_worker.script import main

main()
