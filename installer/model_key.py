"""Which provider's model the agent is to use, and the key for it: told or asked, and checked before it is kept.

Without one the agent practises. The key is never recorded: not in a draft, not in a journal, not in an event.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from fleet import keys
from fleet.base.errors import BadInput, ClawrackError, Refused
from fleet.base.event import Event, Listener
from fleet.base.secret import Secret
from fleet.base.words import say
from fleet.keys import Checked
from fleet.machine.port import Port
from fleet.model import PRACTICE
from fleet.providers import CUSTOM, Way, check_shape, named, providers, recognise, ways
from installer.answers import Answers
from installer.wizard.interview import Interview
from installer.wizard.question import Option, Question

Check = Callable[[tuple[Way, ...], str, Secret], Checked]
"""Returns which of a provider's addresses takes a key, for a model; raises a ClawrackError where none does."""


@dataclass(frozen=True)
class Wanted:
    """What was told beforehand; empty or None where it was not.

    Attributes:
        provider: a name of templates/providers, or an address; empty where the key tells it by its shape.
        region: of the provider.
        model: of the provider.
        key: for it.
    """

    provider: str
    region: str = ""
    model: str = ""
    key: Secret | None = None


@dataclass(frozen=True)
class Chosen:
    """A provider's address that took a key, the model to use, and the key."""

    way: Way
    model: str
    key: Secret


def keyed(wanted: Wanted, asks: Interview, check: Check) -> tuple[Chosen, Checked]:
    """Return the address that takes the key, which is asked for where it was not given; a wrong one is asked for again.

    Raises:
        BadInput: there is no such provider, region or model, nobody knows whose key it is, or the key is wrong.
        Refused: nobody is there to type the key.
        ClawrackError: see `fleet.keys.refuse`.
    """
    tried = ways(wanted.provider, wanted.region)
    model = keys.model_of(tried[0], wanted.model)
    found: dict[Secret, Checked] = {}

    def checked(key: Secret) -> Checked:
        if key not in found:
            found[key] = check(tried, model, key)
        return found[key]

    key = wanted.key or _typed(tried[0], asks, checked)
    way = checked(key).best.way
    return Chosen(way, keys.model_of(way, wanted.model), key), checked(key)


def _typed(way: Way, asks: Interview, check: Callable[[Secret], Checked]) -> Secret:
    if asks.silent:
        raise Refused("keys.key_needed", title=way.provider.shown)
    params = {"title": way.provider.shown, "get_key": way.get_key or way.base}
    question = Question(id="api_key", form="secret", params=params)
    return asks.secret(question, lambda typed: as_bad_answer(lambda: check(Secret(typed))))


@dataclass
class Chooser:
    """Asks and checks; a key that was checked is not checked again on the way back.

    Attributes:
        answers: what was told beforehand.
        asks: the person, or nobody.
        listen: hears what was found.
    """

    answers: Answers
    asks: Interview
    listen: Listener
    _checked: dict[tuple[str, str, Secret], Checked] = field(default_factory=dict[tuple[str, str, Secret], Checked])

    def choose(self, machine: str, port: Port, *, new: bool) -> Chosen | None:
        """Return what the agent is to use; None for practice, or where it has something already and nobody said more.

        Args:
            machine: its name.
            port: the machine, from which the key is checked.
            new: whether the agent is to be made: only then a person is asked.

        Raises:
            ClawrackError: see `keyed`.
        """
        provider = self._provider(new=new)
        if provider in {"", PRACTICE}:
            return None
        wanted = Wanted(provider, self.answers.region, self.answers.model, self.answers.api_key)
        return keyed(wanted, self.asks, partial(self._check, machine, port))[0]

    def _provider(self, *, new: bool) -> str:
        """Return the provider as told, as the key's shape tells, or as the person says."""
        if self.answers.provider:
            return self.answers.provider
        if self.answers.api_key:
            return whose(self.answers.api_key)
        if not new or self.asks.silent or self.answers.plan:
            return PRACTICE
        known = [one for one in providers().values() if one.name != CUSTOM]
        options = (Option(PRACTICE, say("wizard.provider.practice")), *(Option(one.name, one.shown) for one in known))
        return self.asks.ask(Question(id="provider", form="choice", default=PRACTICE, options=options))

    def _check(self, machine: str, port: Port, tried: tuple[Way, ...], model: str, key: Secret) -> Checked:
        asked = (machine, tried[0].base, key)
        if asked not in self._checked:
            found = keys.check(port, tried, key, model)
            keys.refuse(found, model, self.answers.region, machine)
            self._tell(machine, found)
            self._checked[asked] = found
        return self._checked[asked]

    def _tell(self, machine: str, found: Checked) -> None:
        for step, params in notes(found):
            self.listen(Event(kind="note", subject=machine, step=step, params=params))
        title = {"title": found.best.way.title}
        self.listen(Event(kind="done", subject=machine, step="setup.key.checked", params=title))


def check_told(answers: Answers) -> None:
    """See that what was told of provider, region, model and key can be, before a machine is touched.

    Raises:
        BadInput: it cannot.
    """
    if answers.provider in {"", PRACTICE}:
        return
    way = ways(answers.provider, answers.region)[0]
    keys.model_of(way, answers.model)
    if answers.api_key:
        check_shape(answers.api_key.reveal(), way.provider)


def whose(key: Secret) -> str:
    """Return the provider whose keys look like this one.

    Raises:
        BadInput: several providers' do, or nobody's.
    """
    like = recognise(key.reveal())
    if len(like) != 1:
        raise BadInput("keys.whose", like=", ".join(named(name).shown for name in like) or "-")
    return like[0]


def as_bad_answer(check: Callable[[], object]) -> None:
    """Run a check; whatever a provider says against a key is an answer that cannot be used, and is asked again.

    Raises:
        BadInput: with the same words.
    """
    try:
        check()
    except BadInput:
        raise
    except ClawrackError as error:
        if not error.key.startswith("keys."):
            raise
        raise BadInput(error.key, where=error.where, **error.params) from error


def notes(found: Checked) -> list[tuple[str, dict[str, str]]]:
    """Return what a person should know of the address that took a key, as keys of the words with their values."""
    way = found.best.way
    said: list[tuple[str, dict[str, str]]] = []
    if found.elsewhere:
        said.append(("keys.said.elsewhere", {"title": found.others[0].way.title, "right": way.title}))
    if found.best.verdict == "throttled":
        said.append(("keys.said.throttled", {"title": way.title}))
    if way.provider.name == CUSTOM:
        said.append(("keys.said.relay", {"address": way.base}))
    elif not way.provider.verified:
        said.append(("keys.said.unverified", {"title": way.title}))
    if way.provider.passes_on:
        said.append(("keys.said.passes_on", {"title": way.title}))
    return said
