"""`python -m kb` is the command `kb`."""

from kb.cli.main import run

if __name__ == "__main__":
    run()
