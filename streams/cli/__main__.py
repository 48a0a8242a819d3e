"""``python -m streams.cli``, where the script is not on the PATH."""

from streams.cli import main

main()
