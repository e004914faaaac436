"""The install booth: a queue of strangers' devices, five minutes each, several at once.

Pure: `ticket`, `desk` (what is going on, as values), `codes`, `sheet`. Around it: `keep` (what lies on disk), `run` (a
child process for each ticket), `work` (what a child does), `script` (a day from an answers file). Front ends: tui/.
"""
