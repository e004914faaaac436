"""The door: commands and exit codes."""


def version() -> str:
    """Return the version of the installed clawrack."""
    from importlib.metadata import version as of  # noqa: PLC0415 - it takes longer to import than the rest of a help page

    return of("clawrack")
