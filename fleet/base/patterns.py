"""The patterns of texts in files that people write, and the words that say what each one wants."""

TIME = r"^(0|[1-9][0-9]{0,4})(s|m|h)$"
SHARE = r"^(100|[1-9]?[0-9])%$"
PLAIN = r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$"

SAID = {TIME: "file.reason.time", SHARE: "file.reason.share", PLAIN: "file.reason.plain"}
"""The keys of the words, by pattern."""
