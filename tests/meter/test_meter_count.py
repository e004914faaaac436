"""What is settled is never less than what the provider would have said at the end, wherever a call is cut."""

import dataclasses
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from templates.meter.meter.count import Count
from templates.meter.meter.routes import Price, Tally

Json = dict[str, Any]
NOISE = (b"", b"{", b"null", b"[]", b'"x"', b'{"type":"ping"}', b'{"choices":null,"usage":[]}', b'{"usage":{}}')


@dataclasses.dataclass(frozen=True)
class Played:
    """A stream: its style, its events' data, the answers asked for, what is reserved, and what it uses in truth."""

    style: str
    events: tuple[bytes, ...]
    choices: int
    reserved: Price
    truth: Price
    tells: bool


def _told(tokens: Price) -> Json:
    return {"usage": {"prompt_tokens": tokens.input, "completion_tokens": tokens.output}}


@st.composite
def openai(draw: st.DrawFn) -> Played:
    """Usage in an event of its own, in the last choice, on top of the last one, nowhere; and some in every event."""
    reserved, truth = draw(_prices())
    choices, words = draw(st.integers(1, 3)), draw(st.integers(0, 4))
    where = draw(st.sampled_from(("own", "choice", "top", "nowhere")))
    always = draw(st.booleans()) and where != "nowhere"
    events: list[Json] = []
    for number in range(words * choices):
        so_far = Price(truth.input, truth.output * number // (words * choices))
        choice: Json = {"index": number % choices, "delta": {"content": "word"}, "finish_reason": None}
        events.append({"choices": [choice], **(_told(so_far) if always else {})})
    for index in range(choices):
        last = index == choices - 1
        choice = {"index": index, "delta": {}, "finish_reason": "stop"}
        choice |= _told(truth) if last and where == "choice" else {}
        so_far = truth if last else Price(truth.input, truth.output // 2)
        top = _told(so_far) if always or (last and where == "top") else {}
        events.append({"choices": [choice], **top})
    events += [{"choices": [], **_told(truth)}] if where == "own" else []
    whole = (*(json.dumps(event).encode() for event in events), b"[DONE]")
    return Played("openai", draw(_disturbed(whole)), choices, reserved, truth, where != "nowhere")


@st.composite
def anthropic(draw: st.DrawFn) -> Played:
    """The input at the beginning, cached or not, or at the end; the output at the end, or nowhere."""
    reserved, truth = draw(_prices())
    tells, early = draw(st.booleans()), draw(st.booleans())
    cached = draw(st.integers(0, truth.input))
    inside = {"input_tokens": truth.input - cached, "cache_read_input_tokens": cached}
    begun = {"usage": {**inside, "output_tokens": 1}} if early else {}
    ended: Json = {"usage": {**({} if early else inside), "output_tokens": truth.output}} if tells else {}
    word = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word"}}
    events: list[Json] = [
        {"type": "message_start", "message": {"content": [], **begun}},
        *[word for _ in range(draw(st.integers(0, 4)))],
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, **ended},
        {"type": "message_stop"},
    ]
    whole = tuple(json.dumps(event).encode() for event in events)
    return Played("anthropic", draw(_disturbed(whole)), 1, reserved, truth, tells)


@st.composite
def _prices(draw: st.DrawFn) -> tuple[Price, Price]:
    """What is reserved, and what is used of it at most."""
    reserved = Price(draw(st.integers(1, 5000)), draw(st.integers(1, 5000)))
    return reserved, Price(draw(st.integers(0, reserved.input)), draw(st.integers(0, reserved.output)))


@st.composite
def _disturbed(draw: st.DrawFn, events: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The events with things between them that say nothing."""
    between = st.lists(st.sampled_from(NOISE), max_size=1)
    return tuple(one for event in events for one in (*draw(between), event))


def counted(played: Played, events: tuple[bytes, ...], *, whole: bool = False) -> Tally:
    tally = Tally()
    count = Count(played.style, played.reserved, played.choices, tally)
    count.sent()
    for event in events:
        count.take(event)
    if whole:
        count.end()
    return tally


@given(st.one_of(openai(), anthropic()), st.data())
def test_a_stream_that_is_cut_anywhere_settles_at_what_it_would_have_said_or_more(
    played: Played, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(played.events)))
    tally = counted(played, played.events[:cut])
    assert tally.input >= played.truth.input
    assert tally.output >= played.truth.output
    assert tally.estimated or tally.price() == played.truth


@given(st.one_of(openai(), anthropic()))
def test_a_whole_stream_settles_at_exactly_what_it_says_or_else_at_what_was_reserved(played: Played) -> None:
    tally = counted(played, played.events, whole=True)
    if played.tells:
        assert (tally.price(), tally.estimated) == (played.truth, False)
    else:
        assert (tally.output, tally.estimated) == (played.reserved.output, True)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_use_beyond_what_was_reserved_is_charged_as_it_is_said(asked: int, answered: int, whole: bool) -> None:
    played = Played("openai", (), 1, Price(10, 10), Price(asked, answered), tells=True)
    choice: Json = {"index": 0, "delta": {}, "finish_reason": "length" if whole else None}
    tally = counted(played, (json.dumps({"choices": [choice], **_told(played.truth)}).encode(),))
    assert tally.input >= asked
    assert tally.output >= answered
    assert tally.estimated is not whole


def test_before_the_request_is_on_its_way_and_after_a_refusal_nothing_is_charged() -> None:
    tally = Tally()
    count = Count("openai", Price(10, 20), 1, tally)
    assert (tally.price(), tally.estimated) == (Price(0, 0), False)
    count.sent()
    assert (tally.price(), tally.estimated) == (Price(10, 20), True)
    count.nothing()
    assert (tally.price(), tally.estimated) == (Price(0, 0), False)
