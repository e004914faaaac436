"""``clawrack key``: providers' keys on the machines of the fleet, where their meters alone hold them."""

import os
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from clawrack.cli import show
from clawrack.cli.asking import secret_of, sure
from clawrack.cli.common import Json, Yes, here, open_fleet
from clawrack.cli.faces import face
from clawrack.cli.frame import Verb, noun
from fleet.base.clean import line
from fleet.base.errors import BadInput
from fleet.base.secret import Secret
from fleet.base.words import say
from fleet.views import KeyView, Result
from installer.answers import variable
from installer.wizard.interview import Interview

if TYPE_CHECKING:
    from fleet.api import Fleet
    from fleet.keys import Checked
    from fleet.providers import Way

app = noun()
COLUMNS = ("machine", "provider", "region", "model", "country", "fingerprint", "agents")
PROVIDER_COLUMNS = ("provider", "title", "regions", "model", "country", "verified")
_Machine = Annotated[str, typer.Option("--machine", metavar="NAME")]
_File = Annotated[str, typer.Option("--api-key-file", metavar="FILE|-")]


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider that is known.

    Attributes:
        country: in which it answers, by region; ISO 3166, two letters.
        get_key: where a person makes a key.
        verified: when, and by whom, our data was tried against the real service; empty where nobody has.
    """

    provider: str
    title: str
    vendor: str
    model: str
    regions: tuple[str, ...]
    country: tuple[str, ...]
    get_key: tuple[str, ...]
    verified: str
    sources: tuple[str, ...]


@app.command("set", cls=Verb)
def set_(  # noqa: PLR0913 - all but the first are options
    provider: Annotated[str, typer.Argument(metavar="PROVIDER|https://…")] = "",
    *,
    machine: _Machine = "",
    region: Annotated[str, typer.Option("--region", metavar="REGION")] = "",
    model: Annotated[str, typer.Option("--model", metavar="MODEL")] = "",
    agent: Annotated[list[str] | None, typer.Option("--agent", metavar="NAME")] = None,
    api_key_file: _File = "",
    json: Json = False,
) -> None:
    """Check a key from the machine that will use it, and give it to that machine's meter."""
    from fleet import keys  # noqa: PLC0415 - a help page does not wait for it
    from installer.model_key import Wanted, keyed  # noqa: PLC0415 - likewise

    fleet = open_fleet()
    name = _machine_of(fleet, machine)
    given = _given(api_key_file)
    if not provider:
        provider = _whose(given)

    def check(tried: "tuple[Way, ...]", model: str, key: Secret) -> "Checked":
        found = fleet.check_key(name, tried, key, model)
        keys.refuse(found, model, region, name)
        return found

    chosen, found = keyed(Wanted(provider, region, model, given), Interview(face()), check)
    view, changed = fleet.set_key(name, chosen.way, chosen.model, chosen.key, agent)
    if json:
        show.as_json("key", view)
    else:
        _told(view, found, changed=changed)


def _machine_of(fleet: "Fleet", typed: str) -> str:
    """Return the machine: the typed one, or the only one."""
    known = list(fleet.wish().machines)
    if typed or len(known) == 1:
        return typed or known[0]
    raise BadInput("keys.which_machine", known=", ".join(known) or "-")


def _given(place: str) -> Secret | None:
    """Return the key that was given: in a file, on standard input, or in the environment."""
    if place:
        return secret_of(place, "--api-key-file")
    told = os.environ.pop(variable("api_key"), "")
    return Secret(told) if told else None


def _whose(given: Secret | None) -> str:
    """Return the provider that a key is of by its shape; here it is no option that would say so."""
    from installer.model_key import whose  # noqa: PLC0415 - see `set_`

    if given is None:
        raise BadInput("keys.whose_set", like="-")
    try:
        return whose(given)
    except BadInput as error:
        raise BadInput("keys.whose_set", like=error.params["like"]) from error


def _told(view: KeyView, found: "Checked", *, changed: bool) -> None:
    from installer.model_key import notes  # noqa: PLC0415 - see `set_`

    to = here()
    show.details(view, to)
    for step, params in notes(found):
        show.prose(say(step, **params), to)
    if not changed:
        show.prose(say("keys.said.unchanged"), to)
    else:
        show.prose(say("keys.said.proven" if view.proven else "keys.said.unproven"), to)


@app.command("list", cls=Verb)
def list_(*, json: Json = False) -> None:
    """Show which machine holds which provider's key, and who uses it; never the keys."""
    told = open_fleet().keys()
    if json:
        show.as_json("keys", told.rows)
        show.as_json("silent", told.silent)
        return
    show.table(told.rows, here(), "keys.none", COLUMNS)
    for machine in told.silent:
        here().line(say("keys.silent", machine=line(machine)))


@app.command("remove", cls=Verb)
def remove(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER")],
    *,
    machine: _Machine = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Take a provider's key off a machine; agents that used it practise again."""
    fleet = open_fleet()
    name = _machine_of(fleet, machine)
    sure(provider, "keys.remove_sure", f"clawrack key remove {provider} --machine {name} --yes", yes=yes or json)
    gone = fleet.remove_key(name, provider)
    if json:
        show.as_json("result", Result(machine=name, changed=gone))
        return
    show.prose(say("keys.said.gone" if gone else "keys.said.none_there", machine=name), here())
    if gone:
        show.prose(say("keys.said.revoke"), here())


@app.command("providers", cls=Verb)
def providers_(*, json: Json = False) -> None:
    """Show the providers that are known, where their keys are made, and what nobody has verified."""
    from fleet.providers import CUSTOM, providers  # noqa: PLC0415 - see `set_`

    known = [one for one in providers().values() if one.name != CUSTOM]
    views = [
        ProviderView(
            provider=one.name,
            title=one.shown,
            vendor=one.vendor,
            model=one.model,
            regions=tuple(one.regions),
            country=tuple(dict.fromkeys(region.country for region in one.regions.values())),
            get_key=tuple(dict.fromkeys(region.get_key for region in one.regions.values())),
            verified=one.verified,
            sources=one.sources,
        )
        for one in known
    ]
    if json:
        show.as_json("providers", views)
    else:
        show.table(views, here(), "keys.none", PROVIDER_COLUMNS)
        if not any(one.verified for one in known):
            show.prose(say("keys.said.all_unverified"), here())
