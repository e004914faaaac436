"""An agent that says sorry with HTTP 200 has not answered."""

import json

import pytest

from fleet.base.errors import ActionFailed
from fleet.gate import Who
from fleet.kinds import kind
from fleet.machine.http import Response
from fleet.talk import _text  # pyright: ignore[reportPrivateUsage] - the judging alone, without a machine

NANOBOT = Who("nano", kind("nanobot"), "0.3.5")


def said(text: str, tokens: int) -> Response:
    body = {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": {"total_tokens": tokens}}
    return Response(200, {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Error calling LLM: Connection error.", "ask.model_failed"),
        ("Error: {'message': 'no such key', 'type': 'authentication_error'}", "ask.model_refused"),
        ("Error calling LLM: Error code: 401 - nobody", "ask.model_refused"),
        ("Error: {'message': 'the cap of this agent is reached', 'type': 'insufficient_quota'}", "ask.model_failed"),
    ],
)
def test_what_a_model_did_wrong_is_no_answer(text: str, key: str) -> None:
    with pytest.raises(ActionFailed) as told:
        _text(said(text, 0), NANOBOT, "attic/nano")
    assert told.value.key == key
    assert text[:20] in told.value.part("what")


@pytest.mark.parametrize(
    ("text", "tokens"), [("Error: that is how the log begins.", 812), ("All is well.", 0), ("All is well.", 5)]
)
def test_an_answer_is_one_also_where_it_speaks_of_errors(text: str, tokens: int) -> None:
    assert _text(said(text, tokens), NANOBOT, "attic/nano") == text
