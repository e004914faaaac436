"""What is handed to a stranger: no secret that we know survives in any of its encodings, and what helps stays."""

import base64
import json
import re
import string
import textwrap
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleet.base.secret import HIDDEN
from fleet.scrub.log import without_content
from fleet.scrub.scrubber import Names, Scrubber
from fleet.scrub.shapes import looks_random

SECRET = "Xk29-fenster/Regen+7&treppe"
Form = Callable[[str], str]
FORMS: dict[str, Form] = {
    "as it is": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of more": lambda text: base64.b64encode(f"user:{text};x".encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(f"u{text}".encode()).decode().rstrip("="),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base64 in lines": lambda text: base64.encodebytes((text * 3).encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "capital hex with colons": lambda text: ":".join(f"{byte:02X}" for byte in text.encode()),
    "hex dump": lambda text: " ".join(f"0x{byte:02x}," for byte in text.encode()),
    "url": lambda text: urllib.parse.quote(text, safe=""),
    "url, all of it": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "url twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "json": json.dumps,
    "json in json": lambda text: json.dumps(json.dumps({"key": text})),
    "json, all of it": lambda text: re.sub("....", r"\\u\g<0>", text.encode("utf-16-be").hex()),
    "a C string": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "html": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "wrapped": lambda text: textwrap.fill(text, 5, subsequent_indent="    "),
    "spaced": " ".join,
    "capital": lambda text: "".join(char.upper() if char.isascii() else char for char in text),
    "base64 of json": lambda text: base64.b64encode(json.dumps([text]).encode()).decode(),
}


def scrubber(*secrets: str, names: Names | None = None, ordinary: tuple[str, ...] = ()) -> Scrubber:
    return Scrubber(secrets, names or Names(), ordinary)


def squeezed(text: str) -> str:
    return "".join(text.split()).lower()


@pytest.mark.parametrize("form", FORMS)
def test_a_known_secret_is_covered_in_every_form(form: str) -> None:
    written = FORMS[form](SECRET)
    shown = scrubber(SECRET).text(f"before {written} after\nand more\n")
    assert shown.startswith("before")
    assert shown.endswith("after\nand more\n")
    assert squeezed(written) not in squeezed(shown)
    assert HIDDEN in shown


# What stands for nothing but white space, or for itself in each encoding, is no secret that can be told from a text.
SECRETS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"], exclude_characters="•…~"),
    min_size=6,
    max_size=60,
).filter(lambda text: len(set(text)) > 2)


@settings(deadline=None, max_examples=150)
@given(SECRETS, st.sampled_from(sorted(FORMS)), st.text(max_size=40), st.text(max_size=40))
@example("machine-1", "as it is", "", "")
@example("00000%41", "url", "", "")
def test_no_known_secret_survives_in_any_of_its_encodings(secret: str, form: str, before: str, after: str) -> None:
    written = FORMS[form](secret)
    scrub = scrubber(secret, names=Names())
    shown = scrub.text(f"{before} {written} {after}")
    assert not scrub.holds(shown)
    for known in FORMS.values():
        assert squeezed(known(secret)) not in squeezed(shown)


@settings(deadline=None, max_examples=80)
@given(
    st.text(string.ascii_letters + string.digits + "-_", min_size=32, max_size=64),
    st.integers(16, 40),
    st.sampled_from(["Nov 21 10:00:00 run[12]: ", "| ", "2026-11-21T10:00:00Z  "]),
)
def test_a_secret_that_a_log_has_cut_into_lines_leaves_no_long_piece(secret: str, width: int, prefix: str) -> None:
    shown = scrubber(secret).text("\n".join(prefix + part for part in textwrap.wrap(secret, width)))
    pieces = {secret[i : i + 11] for i in range(len(secret) - 10)}
    assert not [piece for piece in pieces if piece in shown]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("abcdefghijklmnop0123456789", min_size=6, max_size=20), min_size=1, max_size=30, unique=True))
def test_many_secrets_are_found_as_well_as_one(secrets: list[str]) -> None:
    shown = scrubber(*secrets).text("\n".join(f"<{secret}>" for secret in secrets))
    assert set(shown.split("\n")) == {f"<{HIDDEN}>"}


def test_what_says_nothing_of_anybody_stays_as_it_is() -> None:
    text = """Docker 20.10.24+dfsg1, kernel 6.1.0-18-amd64, guard 1, release 0123456789abcdef, openclaw 2026.9.4
exit code 78 (never-retry) at 2026-11-21T10:00:01.123456789Z, 3 restarts in 120 s; free 15.0 GB of 64 GB
image sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
listening on http://127.0.0.1:8080 and [::1]:8080, metadata 169.254.169.254 dropped
/var/lib/clawrack/agents/x/state, /usr/local/lib/clawrack/guard.sh: line 12: not found
systemd[1]: clawrack-tick.timer: Deactivated successfully. token=12 left=1790
clawrack_support_bundle.gather_everything_there_is() raised ConnectionResetError"""
    assert scrubber(SECRET).text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nabc\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nb3BlbnNzaC1rZXk",
        "Authorization: Bearer abcDEF123",
        "password=hunter2",
        "DB_PASSWORD: 'two words'",
        '"api_key": "hunter2hunter2"',
        "https://me:hunter2@proxy:3128/",
        "sk-proj-abcdefghijkl",
        "ghp_abcdefghijklmnopqrst",
        "1234567890:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "Zx81kLm92QwErT77yUiO",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_what_looks_like_a_secret_is_covered_though_nobody_knows_it(text: str) -> None:
    shown = scrubber().text(f"so: {text}.")
    assert HIDDEN in shown
    assert not set(text.replace(":", " ").replace("=", " ").split()[-1:]) & set(shown.split())


@pytest.mark.parametrize(
    ("value", "sort"),
    [
        ("someone@example.org", "email"),
        ("192.168.7.41", "addr"),
        ("2001:db8::7:41", "addr"),
        ("fe80::42:acff:fe11:2", "addr"),
        ("02:42:ac:11:00:02", "mac"),
        ("4c4c4544-0042-3510-8052-b4c04f4e3932", "id"),
        ("+49 170 1234567", "phone"),
        ("138 1234 5678", "phone"),
        ("c0ffee00c0ffee00c0ffee00c0ffee00", "id"),
    ],
)
def test_what_is_somebodys_gets_another_name_and_the_same_one_every_time(value: str, sort: str) -> None:
    names = Names()
    shown = scrubber(names=names).text(f"first {value}, then ({value}) and {value.upper()}")
    assert shown.startswith(f"first {sort}-1, then ({sort}-1) and {sort}-")
    assert value.casefold() in names.known


@pytest.fixture
def names() -> Names:
    known = Names()
    for sort, value in [
        ("machine", "attic"),
        ("agent", "li"),
        ("agent", "a"),
        ("agent", "openclaw"),
        ("host", "kitchen-pc"),
    ]:
        known.of(sort, value)
    return known


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("clawrack-agent@li.service on attic", "clawrack-agent@agent-1.service on machine-1"),
        ("attic/li: attics, plain lively", "machine-1/agent-1: attics, plain lively"),
        ("clawrack-a is a container", "clawrack-agent-2 is a container"),
        ("agent.a.kind=openclaw", "agent.agent-2.kind=openclaw"),
        ("KITCHEN-PC.local and Kitchen-pc-1a2b3c4d", "host-1.local and host-1-1a2b3c4d"),
        (base64.b64encode(b"on kitchen-pc").decode(), "b24ghost-1=="),
    ],
)
def test_names_are_replaced_where_they_stand_for_somebody(names: Names, said: str, shown: str) -> None:
    assert scrubber(names=names, ordinary=("openclaw",)).text(said) == shown


def test_an_address_is_not_found_in_a_longer_one() -> None:
    names = Names()
    names.of("address", "10.0.0.1")
    scrub = scrubber(names=names)
    assert scrub.text("10.0.0.12 10.0.0.1 110.0.0.1 10.0.0.1/28") == "addr-2 addr-1 addr-3 addr-1/28"


def test_a_folder_is_called_by_what_it_is() -> None:
    names = Names()
    names.same("/srv/mine/fleet", "FLEET")
    scrub = scrubber(names=names)
    assert scrub.text("/srv/mine/fleet/agents/x.yaml:1:2") == "FLEET/agents/x.yaml:1:2"
    assert scrub.removed == {"path": 1}


def test_the_values_of_json_are_scrubbed_by_what_they_are_called_too(names: Names) -> None:
    told = {
        "name": "a",
        "li": {"password": "hunter2", "serial": "PF1", "secret": "secrets.json", "free": 15032385536, "up": True},
        "kind": "openclaw",
    }
    scrub = scrubber(names=names, ordinary=("openclaw",))
    assert scrub.value(told) == {
        "name": "agent-2",
        "agent-1": {"password": HIDDEN, "serial": "id-1", "secret": "secrets.json", "free": 15032385536, "up": True},
        "kind": "openclaw",
    }
    assert scrub.removed == {"agent": 2, "secret": 1, "id": 1}


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ("10:00:00,123 error: state uses newer schema 17", "10:00:00,123 error state uses newer schema 17"),
        ("tiny 1 with schema 1 listens", "tiny 1 with schema 1 listens"),
        ('{"time":"10:00:01","msg":"connect failed: ECONNRESET","to":"mum"}', "10:00:01 connect failed ECONNRESET"),
        ('failed to open file "/home/me/love letter.txt"', "failed to open file …"),
        ("retry 3 of 5 in 20 s", "retry 3 of 5 in 20 s"),
        ("10:00:00 user said: restart the failed server", "10:00:00 (36)"),
        ("my purple elephant is called hunter", "(35)"),
        ("收到消息 你好", "(7)"),
        ("the pin is 4711 4712 4713", "(25)"),
        ("error: refused with pi9Ke1ZkC0ytgqmhT-bcZzpKh2", "error refused with …"),
        ("", "(0)"),
    ],
)  # fmt: skip
def test_of_an_agents_log_there_remains_what_programs_write(row: str, shown: str) -> None:
    assert without_content(row) == shown


MESSAGES = st.lists(
    st.sampled_from(["purple", "elephant", "grandmother", "hunter2", "café", "你好", "loves", "4711"]), min_size=1
)


@given(MESSAGES, st.sampled_from(["", "10:00:00 ", "error ", "[agent] ", 'received message "', "prompt="]))
def test_nothing_of_a_message_remains_of_a_log(said: list[str], before: str) -> None:
    shown = without_content(before + " ".join(said))
    assert not [word for word in said if word in shown]


@pytest.mark.parametrize("word", ["Zx81kLm92QwErT77", "a1b2c3d4e5f6a7b8"])
def test_a_random_word_looks_random(word: str) -> None:
    assert looks_random(word)


@pytest.mark.parametrize("word", ["internationalisation", "clawrackSupportBundle", "20261121100000000000", "sha256"])
def test_a_word_that_somebody_wrote_does_not(word: str) -> None:
    assert not looks_random(word)


@pytest.mark.parametrize("token", ["aB3xQ9-kL2mN8pR-5tV7wY1_zC4dF6gH-0jK3s", "Xy7-Pq2Rs-9TuVw3-Zk1Lm-5NoBc8-Df4Gh-Jq6"])
def test_a_token_whose_hyphens_cut_it_into_short_words_is_still_seen(token: str) -> None:
    assert token not in scrubber().text(f"error: refused {token} again")


@pytest.mark.parametrize("name", ["clawrack-agent-openclaw-2026-09-06", "Debian-12-bookworm-amd64-minbase-x86_64"])
def test_a_long_name_of_words_and_numbers_is_no_token(name: str) -> None:
    assert name in scrubber().text(f"image {name} is there")
