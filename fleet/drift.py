"""Drift: a machine is not as it was left by us. Told in the plan, with what follows from it by rule."""

import msgspec


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was left.

    Attributes:
        machine: where.
        what: a key of the words, ``drift.…``, filled with the fields and ``params``.
        agent: whose, or empty.
    """

    machine: str
    what: str
    agent: str = ""
    params: dict[str, str] = {}
