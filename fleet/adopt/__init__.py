"""Containers that somebody else made: seen, told, watched, and taken over when the person says so.

    look.py → container.py, signs.py (data: templates/kinds/KIND/import.yaml) → recognise.py, published.py   pure
    watching.py: imports/NAME.yaml in the fleet's folder. fleet/api/adopting.py: the take-over, through the guard.

docs/import.md tells the whole.
"""
