"""The patterns of texts in files that people write, and the words that say what each one wants."""

TIME = r"^(0|[1-9][0-9]{0,4})(s|m|h)$"
SHARE = r"^(100|[1-9]?[0-9])%$"
PLAIN = r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$"

WORD = r"^[^\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]{0,512}$"
"""One word that nothing can take for more: no space, no end of a line, nothing that a terminal obeys."""

SAID = {TIME: "file.reason.time", SHARE: "file.reason.share", PLAIN: "file.reason.plain", WORD: "file.reason.word"}
"""The keys of the words, by pattern."""
