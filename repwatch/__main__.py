"""`python -m repwatch` is the same as the `repwatch` command."""

from repwatch.cli.main import main

if __name__ == "__main__":
    main()
