"""One function over many machines at once; what goes wrong on one is a value, and stops none of the others."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fleet.base.errors import ClawrackError

AT_ONCE = 64
Item = TypeVar("Item")
Result = TypeVar("Result")


def many(
    function: Callable[[Item], Result], items: Iterable[Item], *, at_once: int = AT_ONCE
) -> list[Result | ClawrackError]:
    """Return what the function makes of each item, in their order; a ClawrackError takes its result's place."""

    def tried(item: Item) -> Result | ClawrackError:
        try:
            return function(item)
        except ClawrackError as error:
            return error

    listed = list(items)
    if not listed:
        return []
    with ThreadPoolExecutor(min(at_once, len(listed)), "clawrack-many") as pool:
        return list(pool.map(tried, listed))
