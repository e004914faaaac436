"""One machine as seen from here."""
