"""A key, checked through a connection that the machine opens: each refusal is told apart, and in words."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from fleet import keys
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, Unreachable
from fleet.base.secret import Secret
from fleet.base.words import LANGUAGES, choose
from fleet.machine.http import Response
from fleet.machine.local import LocalPort
from fleet.meter import outdated
from fleet.providers import Rule, Way, ways
from installer.answers import Answers
from installer.model_key import Wanted, as_bad_answer, check_told, keyed, notes, whose
from installer.wizard.interview import Interview
from templates.meter.meter import VERSION
from tests.rack.provider import Provider
from tests.rack.provider import Way as Fare
from tests.rack.tls import Authority
from tests.unit.test_interview import Hand

KEY = Secret("sk-canary-0123456789")
HERE = LocalPort("here")


@pytest.fixture
def played() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


def way(played: Provider, region: str = "") -> Way:
    (found,) = ways("http://127.0.0.1:1/v1")
    rules = (Rule(means="wrong-key", status=200, code="1004"),)
    provider = structs.replace(found.provider, errors=rules)
    base = played.base.replace("/v1", "/v0") if region == "other" else played.base
    return structs.replace(found, provider=provider, region=region, base=base, check=f"{base}/models")


CASES: list[tuple[Fare, str, type[ClawrackError], str]] = [
    ("revoked", "wrong-key", BadInput, "refuses this key"),
    ("minimax-key", "wrong-key", BadInput, "refuses this key"),
    ("no-money", "no-money", ActionFailed, "no money left"),
    ("no-quota", "no-money", ActionFailed, "no money left"),
    ("no-permission", "no-permission", ActionFailed, "does not let it use"),
    ("blocked", "blocked-country", ActionFailed, "country or region"),
    ("no-model", "no-model", ActionFailed, "has no model"),
    ("too-long", "this-call", ActionFailed, "refused a trial call"),
    ("trouble", "trouble", ActionFailed, "trouble of its own"),
    ("nonsense", "nonsense", ActionFailed, "not a model's interface"),
    ("elsewhere", "nonsense", ActionFailed, "not a model's interface"),
]


@pytest.mark.parametrize(("fare", "verdict", "kind", "words"), CASES)
def test_each_way_of_refusing_is_a_sentence_of_its_own_and_shows_no_key(
    played: Provider, fare: Fare, verdict: str, kind: type[ClawrackError], words: str
) -> None:
    played.keys[KEY.reveal()] = fare
    found = keys.check(HERE, (way(played),), KEY, "played-1")
    assert (found.best.verdict, found.good) == (verdict, False)
    with pytest.raises(kind, match=words) as refused:
        keys.refuse(found, "played-1", "", "here")
    assert KEY.reveal() not in f"{refused.value} {refused.value.params}"


def test_every_sentence_is_there_in_both_languages() -> None:
    found = keys.Tried(way(Provider(port=1)), "ok")
    try:
        for code in LANGUAGES:
            choose(code)
            for verdict in ("wrong-key", *keys.TOLD):
                error = keys.failure(_with(found, verdict), "m", "here", ["x"])
                assert error.part("what")
                assert error.part("next")
                assert "…" not in str(error)
    finally:
        choose("en")


def _with(tried: keys.Tried, verdict: str) -> keys.Tried:
    return keys.Tried(tried.way, verdict)  # pyright: ignore[reportArgumentType] - each is a verdict


def test_a_good_key_is_asked_about_once_and_then_for_one_token(played: Provider) -> None:
    played.keys[KEY.reveal()] = "well"
    found = keys.check(HERE, (way(played),), KEY, "played-1")
    assert (found.best.verdict, found.elsewhere) == ("ok", False)
    assert [saw.path for saw in played.saw] == ["/v1/models", "/v1/chat/completions"]
    assert played.saw[1].body["max_tokens"] == 1
    assert played.saw[1].body["model"] == "played-1"


def test_a_busy_provider_has_not_judged_the_key_and_it_may_be_kept(played: Provider) -> None:
    played.keys[KEY.reveal()] = "throttled"
    found = keys.check(HERE, (way(played),), KEY, "played-1")
    assert (found.best.verdict, found.good) == ("throttled", True)
    keys.refuse(found, "played-1", "", "here")
    assert ("keys.said.throttled", {"title": played.base}) in notes(found)


def test_a_key_of_the_other_region_is_found_there_and_said_so_or_refused_where_one_was_named(played: Provider) -> None:
    played.keys[KEY.reveal()] = "well"
    tried = (way(played, "other"), way(played, "right"))
    found = keys.check(HERE, tried, KEY, "played-1")
    assert (found.best.way.region, found.elsewhere) == ("right", True)
    keys.refuse(found, "played-1", "", "here")
    assert notes(found)[0][0] == "keys.said.elsewhere"
    with pytest.raises(BadInput) as refused:
        keys.refuse(found, "played-1", "other", "here")
    assert refused.value.key == "keys.wrong_region"


def test_of_several_refusals_the_one_nearest_to_a_yes_is_told(played: Provider) -> None:
    played.keys[KEY.reveal()] = "no-money"
    found = keys.check(HERE, (way(played), way(played, "other")), KEY, "played-1")
    assert found.best.verdict == "no-money"
    found = keys.check(HERE, (way(played, "other"), way(played)), KEY, "played-1")
    assert found.best.verdict == "no-money"


def test_nobody_there_is_no_word_about_the_key(played: Provider) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    silent = structs.replace(
        way(played), base=f"http://127.0.0.1:{port}/v1", check=f"http://127.0.0.1:{port}/v1/models"
    )
    found = keys.check(HERE, (silent,), KEY, "played-1")
    with pytest.raises(Unreachable, match="cannot be reached"):
        keys.refuse(found, "played-1", "", "here")


def test_over_tls_a_key_goes_only_to_whom_the_certificate_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, stranger = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.certificate))
    fares: dict[str, Fare] = {KEY.reveal(): "well"}
    with Provider(tls=trusted.context(), keys=fares) as one, Provider(tls=stranger.context(), keys=fares) as other:
        assert keys.check(HERE, (way(one),), KEY, "played-1").best.verdict == "ok"
        found = keys.check(HERE, (way(other),), KEY, "played-1")
        assert found.best.verdict == "no-tls"
        assert not other.saw
        with pytest.raises(ActionFailed, match="cannot prove"):
            keys.refuse(found, "played-1", "", "here")
    with Provider() as plain:
        insecure = structs.replace(
            way(plain), base=plain.base.replace("http:", "https:"), check=f"https{plain.base[4:]}"
        )
        assert keys.check(HERE, (insecure,), KEY, "played-1").best.verdict == "no-tls"
        assert not plain.saw


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (200, "", "ok"),
        (401, "upstream_wrong_key", "wrong-key"),
        (402, "upstream_no_money", "no-money"),
        (429, "upstream_throttled", "throttled"),
        (502, "upstream_nonsense", "nonsense"),
        (429, "cap_agent_day", "this-call"),
        (400, "", "this-call"),
    ],
)
def test_what_the_meter_answers_is_read_by_its_code(status: int, code: str, verdict: str) -> None:
    answer = Response(status, {}, b'{"error": {"code": "%s"}}' % code.encode())
    assert keys.proven(lambda: answer, patience=0) == verdict
    assert keys.proven(lambda: Response(500, {}, b"<html>"), patience=0) == "this-call"


def test_a_person_may_type_again_whatever_a_provider_has_against_a_key() -> None:
    def broke() -> None:
        raise keys.failure(keys.Tried(way(Provider(port=1)), "no-money"), "m", "here", [])

    with pytest.raises(BadInput, match="no money left"):
        as_bad_answer(broke)

    def cut() -> None:
        raise Unreachable("wire.cut", where="here")

    with pytest.raises(Unreachable):
        as_bad_answer(cut)


def test_a_wrong_key_is_asked_for_again_a_right_one_checked_once_and_a_given_one_never_asked_for() -> None:
    found = keys.Checked(keys.Tried(ways("moonshot")[0], "ok"))
    asked: list[Secret] = []

    def check(tried: tuple[Way, ...], model: str, key: Secret) -> keys.Checked:
        assert (len(tried), model) == (2, "kimi-k2.6")
        asked.append(key)
        if key != KEY:
            raise keys.failure(keys.Tried(tried[0], "wrong-key"), model, "here", [])
        return found

    hand = Hand("sk-canary-wrong-000000001", KEY.reveal())
    chosen, seen = keyed(Wanted("moonshot"), Interview(hand), check)
    assert (chosen.key, chosen.way, seen) == (KEY, found.best.way, found)
    assert (hand.complaints, asked) == (["keys.wrong_key"], [Secret("sk-canary-wrong-000000001"), KEY])
    assert keyed(Wanted("moonshot", key=KEY), Interview(None), check)[0] == chosen
    with pytest.raises(Refused, match="has to be given"):
        keyed(Wanted("moonshot"), Interview(None), check)


def test_a_key_without_a_provider_is_told_by_its_shape_or_asked_for() -> None:
    assert whose(Secret("sk-ant-api03-abcdefgh")) == "anthropic"
    with pytest.raises(BadInput, match="DeepSeek"):
        whose(Secret("sk-" + "0a" * 16))


def test_the_model_has_to_be_said_where_nobody_knows_a_usual_one() -> None:
    (found,) = ways("https://relay.example/v1")
    with pytest.raises(BadInput, match="Which model"):
        keys.model_of(found, "")
    with pytest.raises(BadInput, match="no model's name"):
        keys.model_of(found, "a model\nof mine")
    assert keys.model_of(ways("moonshot")[0], "") == "kimi-k2.6"


@pytest.mark.parametrize(
    ("answers", "key"),
    [
        (Answers(provider="moonshoot"), "keys.no_provider"),
        (Answers(provider="moonshot", region="mars"), "keys.no_region"),
        (Answers(provider="https://relay.example/v1"), "keys.model_needed"),
        (Answers(provider="moonshot", api_key=Secret("sk-ant-api03-abcdefgh")), "keys.other_provider"),
    ],
)
def test_what_cannot_be_is_told_before_a_machine_is_touched(answers: Answers, key: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_told(answers)
    assert refused.value.key == key
    check_told(Answers())
    check_told(Answers(provider="practice"))


def test_a_meter_of_another_version_is_known_by_its_images_name_and_nobody_elses_is() -> None:
    assert outdated("clawrack/meter:0.1.0-0123456789ab")
    assert not outdated(f"clawrack/meter:{VERSION}-0123456789ab")
    assert not outdated("")
    assert not outdated("registry.example/meter@sha256:00")
