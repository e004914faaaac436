"""Starts nanobot in its cage: what its configuration files cannot say is said here, and nothing else.

    python3 start.py CONFIGURATION SECRETS PORT

- nanobot keeps its data where its configuration lies, so that is written anew into the state at each start.
- It takes secrets from the environment alone. They are put into this process's own, after its start: neither Docker nor
  /proc tells them, and the commands that the agent runs are given an environment of HOME, LANG and TERM.
- It tells its version to people alone: `GET /version`, with the same token as everything else, tells it to machines.
- A configuration that it refuses ends with 78, so that nobody starts it again and again.
- It would count tokens by tables that it loads from a cloud at the first message, without a limit of time; it has an
  estimate for when it cannot, and that is what it uses.

Facts seen with nanobot-ai 0.3.5 (nanobot/api/server.py, config/loader.py, agent/tools/shell.py, utils/helpers.py).
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

REFUSED = 78
HOME = Path.home() / ".nanobot"


def furnish(configuration: Path, secrets: Path) -> Path:
    """Bring the secrets, and the configuration to where it may stand; return that place."""
    for name, value in json.loads(secrets.read_text()).items():
        os.environ[f"CLAWRACK_{name.upper()}"] = value
    place = HOME / "config.json"
    new = place.with_suffix(".new")
    new.write_text(configuration.read_text())
    new.chmod(0o600)
    new.replace(place)
    return place


def check(place: Path) -> None:
    """End here where nanobot would refuse its configuration."""
    loader = import_module("nanobot.config.loader")
    try:
        loader.resolve_config_env_vars(loader.load_config(place), config_path=place)
    except ValueError as error:  # its own error is one, too
        print(error, file=sys.stderr)
        raise SystemExit(REFUSED) from None


def tell_version() -> None:
    """Let the server answer which nanobot it is."""
    server, web = import_module("nanobot.api.server"), import_module("aiohttp.web")
    theirs, known = server.create_app, import_module("nanobot").__version__

    async def version(request: object) -> object:
        del request
        return web.json_response({"version": known})

    def create_app(*words: object, **named: object) -> object:
        made = theirs(*words, **named)
        made.router.add_get("/version", version)
        return made

    vars(server)["create_app"] = create_app


def estimate_tokens() -> None:
    """Have tokens estimated."""

    def none(name: str) -> NoReturn:
        raise LookupError(name)

    vars(import_module("tiktoken"))["get_encoding"] = none


def main(configuration: str, secrets: str, port: str) -> None:
    """Furnish, check, serve."""
    place = furnish(Path(configuration), Path(secrets))
    check(place)
    tell_version()
    estimate_tokens()
    # All addresses of a container that publishes none; its door asks for the token.
    sys.argv = ["nanobot", "serve", "--config", str(place), "--host", "0.0.0.0", "--port", port]  # noqa: S104
    import_module("nanobot.cli.commands").app()


if __name__ == "__main__":
    main(*sys.argv[1:])
