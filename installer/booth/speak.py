"""Texts in a language that is not the one in use: the customer's, beside the operator's."""

from fleet.base.clean import line
from fleet.base.words import LONGEST, catalogue
from installer.booth.ticket import Language


def say_in(language: Language, key: str, **params: object) -> str:
    """Return the text of a key in a language, its placeholders filled, each value cleaned and on one line."""
    return catalogue(language)[key].format(**{name: line(str(value), LONGEST) for name, value in params.items()})
