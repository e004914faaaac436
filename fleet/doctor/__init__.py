"""What is wrong with a fleet, why, and the command that mends it.

Asking (`ask.py`) fills a frozen `Symptoms` in a few round trips; judging (`judge.py` and beside it) is pure and makes
`Finding`s of it; mending (`mend.py`) knows a closed set of fixes. The words of a finding stand in templates/words, as
``doctor.ID.what``, ``.why`` and ``.next``; docs/doctor.md lists them all.
"""
