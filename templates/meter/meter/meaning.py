"""What a model provider's refusal means: its key, its money, its pace, this one call, or its own trouble. Pure.

Providers say the same thing in different ways; what is particular to one stands in rules that come with its route, as
data (templates/providers). What holds for most stands here.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, cast, get_args

from .fields import fields_of

Meaning = Literal[
    "wrong-key", "no-money", "no-permission", "blocked-country", "throttled", "no-model", "trouble", "this-call"
]
MEANINGS: tuple[Meaning, ...] = get_args(Meaning)
_OK, _REFUSED, _TROUBLE = 200, 400, 500  # from which status of HTTP on


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One way of saying something. What is empty or 0 is not looked at; all else must hold.

    Attributes:
        means: what it means.
        status: of HTTP.
        code: the error's ``code``, ``type`` or ``status``, or MiniMax's ``base_resp.status_code``.
        said: stands in the answer, whatever its case.
    """

    means: Meaning
    status: int = 0
    code: str = ""
    said: str = ""

    def holds(self, status: int, codes: set[str], text: str) -> bool:
        """Tell whether an answer says this."""
        return (
            self.status in (0, status)
            and (not self.code or self.code in codes)
            and (not self.said or self.said.lower() in text)
        )


GENERAL = (
    Rule("blocked-country", code="unsupported_country_region_territory"),
    Rule("no-money", code="insufficient_quota"),
    Rule("no-money", 429, said="insufficient balance"),
    Rule("no-money", 403, said="insufficient balance"),
    Rule("no-model", code="model_not_found"),
)
_BY_STATUS: Mapping[int, Meaning] = {
    401: "wrong-key",
    402: "no-money",
    403: "no-permission",
    404: "no-model",
    408: "trouble",
    429: "throttled",
}


def meaning(status: int, body: bytes, rules: Sequence[Rule] = ()) -> Meaning | None:
    """Return what an answer means, None where it is no refusal.

    A provider's own rules come first, then the general ones, then the status of HTTP. An answer of 200 is a refusal
    only where a rule says so: MiniMax reports errors that way.
    """
    codes, text = set(_codes(body)), body.decode("utf-8", "replace").lower()
    for rule in (*rules, *GENERAL):
        if (status >= _REFUSED or rule.status == _OK) and rule.holds(status, codes, text):
            return rule.means
    if status < _REFUSED:
        return None
    return _BY_STATUS.get(status, "trouble" if status >= _TROUBLE else "this-call")


def parse_rules(value: object) -> tuple[Rule, ...]:
    """Read ``[{"means": MEANING, "status": N, "code": "…", "said": "…"}, …]``.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(value, list):
        raise ValueError("errors: not a list")  # noqa: TRY004 (one kind of error for one kind of mistake)
    return tuple(_rule(item) for item in cast("list[object]", value))


def _rule(value: object) -> Rule:
    entry = fields_of(value)
    means, status = entry.get("means"), entry.get("status", 0)
    code, said = entry.get("code", ""), entry.get("said", "")
    strange = entry.keys() - {"means", "status", "code", "said"}
    if means not in MEANINGS or strange or not isinstance(status, int) or isinstance(status, bool):
        raise ValueError("errors: a rule has means, status, code and said")
    if not isinstance(code, str) or not isinstance(said, str):
        raise ValueError("errors: a rule's code and said are texts")  # noqa: TRY004 (likewise)
    return Rule(means, status, code, said)


def _codes(body: bytes) -> Iterator[str]:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return
    first: object = cast("list[object]", value)[0] if isinstance(value, list) and value else cast("object", value)
    top = fields_of(first)  # Gemini's own style wraps its error in a list
    for fields in (top, fields_of(top.get("error")), fields_of(top.get("base_resp"))):
        for name in ("code", "type", "status", "status_code"):
            said = fields.get(name)
            if isinstance(said, str) or (isinstance(said, int) and not isinstance(said, bool)):
                yield str(said)
