"""Model providers, read from templates/providers: data, not code.

One file per provider: its addresses by region, how a key is checked without spending, what its errors mean, where a key
is to be had, in which country it answers. ``verified`` is empty where nobody has tried it against the real service.
"""

import functools
import ipaddress
import os
import re
import urllib.parse
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import structs

import templates
from fleet.base.errors import BadInput
from fleet.base.words import language
from fleet.base.yaml import read
from fleet.model import PRACTICE
from templates.meter.meter.meaning import Meaning

CUSTOM = "custom"
Style = Literal["openai", "anthropic"]
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\[\]:-]{1,100}(/[A-Za-z0-9._~/-]{0,99})?")
_KEY = re.compile(r"[\x21-\x7e]{8,1000}")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of a provider's addresses.

    Attributes:
        openai: where its OpenAI style begins; ``/chat/completions`` follows.
        anthropic: where its Anthropic style begins; ``/v1/messages`` follows.
        check: an address that answers to a good key, refuses a bad one, and costs nothing.
        get_key: the page where a person makes a key.
        country: in which it answers (ISO 3166, two letters).
    """

    openai: str
    check: str
    get_key: str
    country: str
    anthropic: str = ""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one of a provider's errors means; see `templates.meter.meter.meaning.Rule`."""

    means: Meaning
    status: int = 0
    code: str = ""
    said: str = ""


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider.

    Attributes:
        name: of its file, and of the route at the meter.
        order: among the others, the first and best first.
        title: what a person reads, by language.
        vendor: whose it is, as a receipt names it.
        model: that is used where nobody says another.
        prefix: with which its keys begin, and nobody else's.
        shape: of its keys, as regular expressions; others may have the same.
        sibling: another provider of the same vendor, whose keys are not this one's.
        auth: the header in which the check takes the key.
        headers: that the check needs beside it.
        length_field: what it calls an answer's greatest length, where it knows only one name.
        least: tokens of the shortest answer that it accepts to be asked for.
        passes_on: whether what is asked goes on to other vendors, in other countries.
        errors: what its errors mean, where that is particular to it.
        regions: by name, the usual one first.
        sources: of all this.
        verified: when, and by whom, it was tried against the real service; empty where nobody has.
    """

    name: str = ""
    order: int
    title: dict[Literal["en", "zh"], str]
    vendor: str
    model: str
    prefix: str = ""
    shape: tuple[str, ...] = ()
    sibling: str = ""
    auth: Literal["bearer", "x-api-key"] = "bearer"
    headers: dict[str, str] = {}
    length_field: Literal["", "max_tokens", "max_completion_tokens"] = ""
    least: int = 1
    passes_on: bool = False
    errors: tuple[Rule, ...] = ()
    regions: dict[str, Region]
    sources: tuple[str, ...]
    verified: str

    @property
    def shown(self) -> str:
        """Its name for a person, in the language in use."""
        return self.title["zh" if language() == "zh" else "en"]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a provider, chosen or to be tried: all that a check and a route need."""

    provider: Provider
    region: str
    base: str
    check: str
    country: str = ""
    get_key: str = ""
    style: Style = "openai"

    @property
    def title(self) -> str:
        """What a person reads: the provider, and its region where it has several."""
        known = self.provider.name != CUSTOM
        several = f", {self.region}" if len(self.provider.regions) > 1 else ""
        return f"{self.provider.shown}{several}" if known else self.base

    @property
    def vendor(self) -> str:
        """Whose it is; of an address that is no vendor's, its host."""
        return self.provider.vendor or str(urllib.parse.urlsplit(self.base).hostname)


@functools.cache
def providers() -> dict[str, Provider]:
    """Return all providers by name, the first and best first: ours, and those in the folder ``CLAWRACK_PROVIDERS``."""
    more = os.environ.get("CLAWRACK_PROVIDERS")
    places = [templates.path("providers"), *([Path(more)] if more else [])]
    found = {path.stem: read(path, Provider) for place in places for path in sorted(place.glob("*.yaml"))}
    named = [structs.replace(one, name=name) for name, one in found.items()]
    return {one.name: one for one in sorted(named, key=lambda one: one.order)}


def named(name: str) -> Provider:
    """Return the provider of this name.

    Raises:
        BadInput: there is none.
    """
    known = providers()
    if name not in known:
        raise BadInput("keys.no_provider", provider=name, known=", ".join([PRACTICE, *known]))
    return known[name]


def ways(typed: str, region: str = "") -> tuple[Way, ...]:
    """Return the addresses to try, the meant one first, its vendor's others after it.

    Args:
        typed: a provider's name, or a compatible address.
        region: of the provider; empty for whichever takes the key.

    Raises:
        BadInput: there is no such provider or region, or the address cannot be used.
    """
    if "://" in typed:
        return _of_address(typed.rstrip("/"))
    provider = named(typed)
    if provider.name == CUSTOM:
        raise BadInput("keys.address_needed")
    if region and region not in provider.regions:
        raise BadInput("keys.no_region", region=region, title=provider.shown, known=", ".join(provider.regions))
    first = [region] if region else []
    mine = [*first, *(one for one in provider.regions if one != region)]
    family = [provider, *([named(provider.sibling)] if provider.sibling else [])]
    return tuple(_way(one, name) for one in family for name in (mine if one is provider else one.regions))


def _way(provider: Provider, region: str) -> Way:
    place = provider.regions[region]
    return Way(
        provider=provider,
        region=region,
        base=place.openai,
        check=place.check,
        country=place.country,
        get_key=place.get_key,
    )


def _of_address(address: str) -> tuple[Way, ...]:
    """Return the way of an address: a vendor's own where it is one's, else one that nobody vouches for."""
    number = _host(address)
    if number and number.is_link_local:  # where clouds tell a machine's own secrets
        raise BadInput("keys.link_local", address=address)
    for provider in providers().values():
        for region, place in provider.regions.items():
            if place.openai == address:
                return (_way(provider, region),)
    if address.startswith("http://") and not (number and number.is_private):
        raise BadInput("keys.plain_http", address=address)
    return (Way(provider=named(CUSTOM), region="", base=address, check=f"{address}/models"),)


def _host(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the number that an address names, an IPv4 one also where it is written as IPv6; None of a name.

    Raises:
        BadInput: its host or its port cannot be one.
    """
    bad = BadInput("keys.bad_address", address=address)
    try:
        place = urllib.parse.urlsplit(address)
        host, _ = place.hostname or "", place.port
    except ValueError:
        raise bad from None
    if not _ADDRESS.fullmatch(address) or not re.fullmatch(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]", _bare(place.netloc)):
        raise bad
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        if ":" in host:
            raise bad from None
        return None
    if number.is_unspecified:
        raise bad
    return getattr(number, "ipv4_mapped", None) or number


def _bare(place: str) -> str:
    """Return a host without its port, in small letters."""
    return re.sub(r":[0-9]*$", "", place.lower()) if not place.endswith("]") else place.lower()


def recognise(key: str) -> tuple[str, ...]:
    """Return the names of the providers whose keys look like this; a prefix that is one's alone settles it."""
    known = [one for one in providers().values() if one.name != CUSTOM]
    alone = [one.name for one in known if one.prefix and key.startswith(one.prefix)]
    like = [one.name for one in known if any(re.fullmatch(shape, key) for shape in one.shape)]
    return tuple(alone or like)


def check_shape(key: str, provider: Provider) -> None:
    """See that a key can be this provider's, before it is sent anywhere.

    Raises:
        BadInput: it is no key, or by its beginning another vendor's.
    """
    if not _KEY.fullmatch(key):
        raise BadInput("keys.no_key")
    whose = [one for one in providers().values() if one.prefix and key.startswith(one.prefix)]
    if whose and provider.name not in {CUSTOM, whose[0].name, whose[0].sibling}:
        raise BadInput("keys.other_provider", title=provider.shown, other=whose[0].shown, name=whose[0].name)


def shown(way: Way, model: str, fingerprint: str) -> dict[str, Any]:
    """Return what may be shown of a route: the first line of its file at the meter."""
    return {
        "version": 1,
        "kind": way.style,
        "base": way.base,
        "model": model,
        "title": line_of(way),
        "vendor": way.vendor,
        "region": way.region,
        "country": way.country,
        "fingerprint": fingerprint,
        **({"length_field": way.provider.length_field} if way.provider.length_field else {}),
    }


def line_of(way: Way) -> str:
    """Return a provider's name as the meter says it, in ASCII."""
    return way.provider.title["en"] if way.provider.name != CUSTOM else way.vendor
