"""What a person tells the setup: on the command line, in the environment, in a file.

A field of `Answers` is a flag (``--image-source``), a variable (``CLAWRACK_IMAGE_SOURCE``) and a key of an answers file
(``image_source``), all by its name. The flag wins over the variable, the variable over the file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from fleet.base.errors import BadInput
from fleet.base.secret import Secret
from fleet.base.yaml import read

Source = Literal["auto", "registry", "build"]
Firewall = Literal["keep", "ssh-only", "off"]
"""What a person wants of a machine's firewall: as it is; closed but for SSH; ours taken away again."""
FORMAT = 1
KIND = "openclaw"
_LONGEST = 1024  # characters of a password
_PATHS = frozenset({"key", "bundle"})
_SECRETS = frozenset({"password", "jump_password", "api_key"})
_SWITCHES = frozenset({"accept_new_host_key", "yes", "plan", "moved", "harden", "no_agent", "restore_kept"})


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to every question of the setup; empty where a person is to be asked, or the usual is meant.

    Attributes:
        machine: ``user@address:port``, or ``here``.
        machine_name: what the fleet calls the machine; made from its address where nobody says.
        tags: of the machine, comma separated; agents are placed by them.
        no_agent: the machine alone is made ready.
        restore_kept: a new agent gets the state that an earlier one of its name left on the machine.
        name: of the agent.
        kind: of the agent.
        key: a private key that opens the machine, where it is not ours.
        password: of the login.
        fingerprint: of the host key, as somebody read it on the machine.
        accept_new_host_key: pin whatever is shown.
        image_source: whether images are pulled, or built here.
        jump: jump hosts on the way to it, ``user@address:port``, comma separated in their order.
        jump_password: of their logins, where our key does not open them.
        jump_fingerprint: of their host keys, comma separated.
        moved: a known machine that shows up at a new address has moved there.
        harden: password logins go off at the end.
        firewall: what becomes of it; empty where the person is asked if the machine has none and can be reached by
            anybody, and else ``keep``.
        bundle: from which everything comes instead, with no network.
        os: what system it is, where the evidence does not settle it; see `installer.detect.doubts`.
        hardware: what sort of computer it is, likewise.
        provider: whose model the agent uses: a name of templates/providers, ``practice``, or a compatible address.
        region: of the provider; whichever takes the key, where nobody says.
        model: of the provider; its usual one, where nobody says.
        api_key: for it.
        yes: ask nothing; the usual answer everywhere.
        plan: look at everything, change nothing.
    """

    machine: str = ""
    machine_name: str = ""
    tags: str = ""
    no_agent: bool = False
    restore_kept: bool = False
    name: str = ""
    kind: str = KIND
    key: Path | None = None
    password: Secret | None = None
    fingerprint: str = ""
    accept_new_host_key: bool = False
    image_source: Source = "auto"
    jump: str = ""
    jump_password: Secret | None = None
    jump_fingerprint: str = ""
    moved: bool = False
    harden: bool = False
    firewall: Firewall | Literal[""] = ""
    bundle: Path | None = None
    os: str = ""
    hardware: str = ""
    provider: str = ""
    region: str = ""
    model: str = ""
    api_key: Secret | None = None
    yes: bool = False
    plan: bool = False


class SecretFrom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is to be found: it never stands in an answers file itself."""

    env: str = ""
    file: str = ""

    def fetch(self, where: str) -> Secret:
        """Return the secret.

        Raises:
            BadInput: there is none there.
        """
        place = (f"${self.env}" if self.env else self.file) or "…"
        try:
            value = (os.environ[self.env] if self.env else self._content()).strip("\r\n")
        except (KeyError, OSError, UnicodeDecodeError) as error:
            raise BadInput("answers.no_secret", where=where, place=place) from error
        if not value or len(value) > _LONGEST or "\n" in value:  # a private key is no password for a machine to hear
            raise BadInput("answers.no_secret", where=where, place=place)
        return Secret(value)

    def _content(self) -> str:
        with Path(self.file).expanduser().open(encoding="utf-8", newline="") as file:
            return file.read(_LONGEST + 3)


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One machine of an answers file; what stands beside ``machines`` counts for each that does not say otherwise."""

    machine: str = ""
    machine_name: str = ""
    tags: str = ""
    no_agent: bool = False
    restore_kept: bool = False
    name: str = ""
    kind: str = ""
    key: str = ""
    password: SecretFrom | None = None
    fingerprint: str = ""
    accept_new_host_key: bool = False
    image_source: Source | Literal[""] = ""
    jump: str = ""
    jump_password: SecretFrom | None = None
    jump_fingerprint: str = ""
    moved: bool = False
    harden: bool = False
    firewall: Firewall | Literal[""] = ""
    bundle: str = ""
    os: str = ""
    hardware: str = ""
    provider: str = ""
    region: str = ""
    model: str = ""
    api_key: SecretFrom | None = None


class AnswersFile(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answers file."""

    version: int = FORMAT
    machines: tuple[Entry, ...] = ()


def variable(field: str) -> str:
    """Return the name of the environment variable that answers a question."""
    return f"CLAWRACK_{field.upper()}"


def from_file(path: Path) -> list[dict[str, Any]]:
    """Return the answers of a file, for each of its machines: fields of `Answers`, only those that it gives.

    Raises:
        BadInput: it is not as it should be (file:line:column), a newer clawrack's, or a secret is not where it says.
    """
    found = read(path, AnswersFile)
    if found.version > FORMAT:
        raise BadInput("answers.newer", where=str(path), version=found.version, known=FORMAT)
    shared = _given(found, str(path))
    return [shared | _given(entry, str(path)) for entry in found.machines] or [shared]


def _given(entry: Entry, where: str) -> dict[str, Any]:
    fields = {name: getattr(entry, name) for name in Entry.__struct_fields__ if getattr(entry, name)}
    for name in _PATHS & fields.keys():
        fields[name] = Path(fields[name]).expanduser()
    for name in _SECRETS & fields.keys():
        fields[name] = fields[name].fetch(where)
    return fields


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the answers that the environment gives.

    Raises:
        BadInput: a variable has a value that it cannot have.
    """
    told = {name: environment[variable(name)] for name in Answers.__struct_fields__ if environment.get(variable(name))}
    return {name: _read(name, text) for name, text in told.items()}


def _read(name: str, text: str) -> object:
    if name in _SECRETS:
        return Secret(text)
    if name in _PATHS:
        return Path(text).expanduser()
    shape = {**dict.fromkeys(_SWITCHES, bool), "image_source": Source, "firewall": Firewall}.get(name, str)
    try:
        return cast("object", msgspec.convert(text, shape, strict=False))
    except msgspec.ValidationError as error:
        raise BadInput("answers.bad_variable", variable=variable(name), value=text) from error


def gather(flags: Mapping[str, Any], environment: Mapping[str, str], file: Mapping[str, Any]) -> Answers:
    """Return the answers: a flag that was given wins over a variable, and that over the file."""
    given = {name: value for name, value in flags.items() if value not in ("", None, False)}
    return Answers(**{**file, **from_environment(environment), **given})
