"""Sends the message on standard input to the agent in whose container this runs, and prints its answer."""

import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import NoReturn, cast

NOT_READY, NO_ANSWER = 7, 8
HOSTILE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def filled(value: object, message: str) -> object:
    """Return the value with the message in its place."""
    if isinstance(value, str):
        return value.replace("{message}", message)
    if isinstance(value, list):
        return [filled(part, message) for part in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: filled(part, message) for key, part in cast("dict[str, object]", value).items()}
    return value


def dug(value: object, path: str) -> str:
    """Return the text that stands at a dotted path."""
    for part in path.split("."):
        value = (
            cast("list[object]", value)[int(part)]
            if isinstance(value, list)
            else cast("dict[str, object]", value)[part]
        )
    if not isinstance(value, str):
        raise TypeError(path)
    return value


def leave(code: int, said: object) -> NoReturn:
    """End with a reason."""
    sys.stderr.write(HOSTILE.sub(" ", str(said))[:500] + "\n")
    sys.exit(code)


how = json.loads(sys.argv[1])
headers = {"Content-Type": "application/json"}
if how["auth"]:
    secrets = json.loads(Path(how["secrets"]).read_text(encoding="utf-8"))
    headers["Authorization"] = "Bearer " + secrets[how["auth"]]
body = json.dumps(filled(how["body"], sys.stdin.buffer.read().decode("utf-8", "replace"))).encode()
call = urllib.request.Request(how["url"], body, headers, method=how["method"])  # noqa: S310 - the kind says where
try:
    with urllib.request.urlopen(call, timeout=how["timeout"]) as reply:  # noqa: S310 - likewise
        text = dug(json.load(reply), how["answer"])
except urllib.error.HTTPError as error:
    leave(NO_ANSWER, str(error.code) + " " + error.read(2000).decode("utf-8", "replace"))
except urllib.error.URLError as error:
    leave(NOT_READY, error.reason)
except (OSError, ValueError, LookupError, TypeError) as error:
    leave(NO_ANSWER, error)
sys.stdout.buffer.write((HOSTILE.sub("", text) + "\n").encode())
