"""`python -m racer` is `racer`."""

from racer.cli import main

if __name__ == "__main__":
    main()
