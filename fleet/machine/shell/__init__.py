"""A shell, or a command whose two ends are the caller's, on a machine or in an agent's container.

`begin` finds where a command's own output begins; `agent` goes through the guard into an agent's cage; `local` has a
terminal of this computer's; `talk` ties the two ends together; `tty` lends the person's terminal, and gives it back.
"""
