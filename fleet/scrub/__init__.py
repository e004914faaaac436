"""Everything that a stranger must not read, taken out of what is handed to one.

Secrets that we know go by their value, in any encoding (`values`, `views`); others by their shape (`shapes`). Names of
machines, agents, people and computers, addresses and serial numbers become other names (``machine-1``, ``addr-3``), the
same ones throughout, so that what is left can still be followed (`scrubber`). Of an agent's log only words about
programs remain (`log`). Pure: the same values in the same order always give the same text.
"""
