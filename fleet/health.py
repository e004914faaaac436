"""Whether an agent is well, judged from what it answered: pure."""

from typing import Any, cast

from fleet.kinds import Probe

ABSENT = object()


def dig(value: Any, path: str) -> Any:  # noqa: ANN401 - it is JSON
    """Return what stands at a dotted path in JSON (``choices.0.message``), or ABSENT."""
    for key in path.split("."):
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(key, ABSENT)
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            value = items[int(key)] if key.isdigit() and int(key) < len(items) else ABSENT
        else:
            return ABSENT
    return value


def complaint(probe: Probe, status: int, body: Any, version: str) -> str:  # noqa: ANN401 - it is JSON
    """Return why the answer to a probe is not good enough, as one short line; empty where it is.

    Args:
        probe: what was asked.
        status: HTTP status of the answer.
        body: its JSON, or None.
        version: that the agent should be; fills ``{version}`` in what is expected.
    """
    if status != probe.status:
        return f"{probe.name}: HTTP {status}" + _failing(body)
    for path, wanted in probe.equals.items():
        right = version if wanted == "{version}" else wanted
        found = dig(body, path)
        if found != right:
            return f"{probe.name}: {path} = {'—' if found is ABSENT else found}, expected {right}"
    for path in probe.empty:
        if dig(body, path) not in (ABSENT, None, [], {}, ""):
            return f"{probe.name}: {path} is not empty"
    return ""


def _failing(body: Any) -> str:  # noqa: ANN401 - it is JSON
    failing = dig(body, "failing")
    return "" if failing in (ABSENT, [], None) else f" ({failing})"


def fill(body: Any, values: dict[str, str]) -> Any:  # noqa: ANN401 - it is JSON
    """Return JSON with every text that is exactly ``{name}`` replaced by that value."""
    if isinstance(body, dict):
        return {key: fill(value, values) for key, value in cast("dict[str, Any]", body).items()}
    if isinstance(body, list):
        return [fill(value, values) for value in cast("list[Any]", body)]
    if isinstance(body, str) and body.startswith("{") and body.endswith("}"):
        return values.get(body[1:-1], body)
    return body
