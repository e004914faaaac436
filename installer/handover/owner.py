"""The owner's own command, as it comes to the device: the script, how each kind is asked, and its texts."""

import json
from collections.abc import Mapping
from typing import Any

import templates
from fleet.base.words import LANGUAGES, catalogue
from fleet.kinds import Kind, homes, kind

Files = Mapping[str, str]
SCRIPTS = ("clawrack-agent", "ask.js", "ask.py")
_OWNER, _REASON = "owner.", "guard.reason."


def files(language: str) -> dict[str, str]:
    """Return the files of the owner's command, by name.

    Args:
        language: of its texts, where the device's own says none.
    """
    scripts = {name: templates.text("machine", "owner", name) for name in SCRIPTS}
    kinds = {f"kind.{name}": how(kind(name)) for name in sorted(homes()) if kind(name).ask.inside}
    texts = {f"words.{code}": words(code) for code in LANGUAGES}
    return {**scripts, **kinds, **texts, "language": f"{language}\n"}


def how(of: Kind) -> str:
    """Return how a kind is asked from inside of its own container: which program sends it, and what."""
    cage, ask = of.cage, of.ask
    told: dict[str, Any] = {
        "url": f"http://127.0.0.1:{cage.port}{ask.path}",
        "method": ask.method,
        "body": ask.body,
        "auth": ask.auth,
        "secrets": f"{cage.secrets}/{of.secrets.file}",
        "answer": ask.answer,
        "timeout": ask.timeout,
    }
    return f"program={ask.inside}\nhow={json.dumps(told)}\n"


def words(code: str) -> str:
    """Return the command's texts in one language, a line ``KEY=TEXT`` each, with the guard's reasons."""
    texts = catalogue(code)
    own = {key.removeprefix(_OWNER): text for key, text in texts.items() if key.startswith(_OWNER)}
    reasons = {f"reason.{key.removeprefix(_REASON)}": text for key, text in texts.items() if key.startswith(_REASON)}
    return "".join(f"{key}={text}\n" for key, text in sorted({**own, **reasons}.items()))
