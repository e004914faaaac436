"""The command line: one thin module for each noun, imported when it is used.

``door`` runs a line, ``frame`` is the tree of commands, ``pages`` writes help, ``failing`` tells errors; ``terminal``,
``events`` and ``show`` print. Everything else is a noun.
"""
