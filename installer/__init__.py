"""One machine: see it, judge it, prepare it."""
