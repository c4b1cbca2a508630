"""The command `zoo-runner`, also `python -m zoo_runner`: its first moment, while the program itself is still read."""

from typing import NoReturn

from zoo_runner.cli.interrupt import stopping_at_once


def main() -> NoReturn:
    """Entry point: read the command line's program, and run it."""
    with stopping_at_once():
        from zoo_runner.cli.main import main as run
    run()


if __name__ == "__main__":
    main()
