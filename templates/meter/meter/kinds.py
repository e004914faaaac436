"""The kinds of route that this meter knows."""

from .practice import Practice
from .routes import Kinds

KINDS: Kinds = {"practice": Practice}
