"""By what a container of a kind is known that we did not make, and where in it things stand: data of the kind."""

import functools
from pathlib import Path

import msgspec

from fleet.base.yaml import read
from fleet.kinds import homes

FILE = "import.yaml"


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where its version stands: a key of a JSON file in the container, or a variable of its environment."""

    file: str = ""
    key: str = "version"
    env: str = ""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Its configuration, a JSON file in its state; the rest are dotted paths into it.

    Attributes:
        env: the variable that names another place for the file.
        model: the model that it uses.
        providers: an object of providers by name; ``key`` and ``base`` are keys of one of them.
        channels: an object of channels by name; one with ``enabled: false`` does not count.
    """

    file: str = ""
    env: str = ""
    model: str = ""
    providers: str = ""
    key: str = "apiKey"
    base: str = "baseUrl"
    channels: str = ""


class Signs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one kind's import.yaml says.

    Attributes:
        labels: one of them is enough.
        images: patterns of an image's name without registry and tag; a match counts with `words`.
        env: names of variables; one counts with `words`.
        words: what its command line holds, all of them.
        state: where its state is, inside.
        state_env: the variable that names another place.
        keys: variables that hold a provider's key → the provider's name among ours.
        channels: variables that hold a channel's token → the channel.
    """

    format: int = 1
    labels: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    state: str
    state_env: str = ""
    version: Version = Version()
    config: Config = Config()
    keys: dict[str, str] = {}
    channels: dict[str, str] = {}


@functools.cache
def of(path: Path) -> Signs:
    """Return the signs in a file.

    Raises:
        BadInput: it is not as it should be.
    """
    return read(path, Signs)


def all_signs() -> dict[str, Signs]:
    """Return the signs of every kind that has any, by its name."""
    return {name: of(home / FILE) for name, home in homes().items() if (home / FILE).is_file()}
