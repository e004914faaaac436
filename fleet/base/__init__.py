"""What everything stands on: names, words, errors, events."""
