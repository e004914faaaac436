"""Docker's settings: read as Docker reads them, added to without a byte of anybody else's changed."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.base.errors import BadInput
from installer.engines import daemon
from installer.engines.daemon import Settings
from installer.facts import Facts

WHERE = "m1:/etc/docker/daemon.json"
LAN = Facts({"routes": "192.168.1.0/24 172.17.0.0/24"})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(max_size=12).filter(lambda name: name not in {"bip", "bridge", "fixed-cidr", "default-address-pools"})


def read(text: str) -> Settings:
    return daemon.read(text.encode(), WHERE)


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.sampled_from([None, 2, "\t"]), st.sampled_from(["", "\n", " \n"]))
def test_what_is_added_changes_nothing_else_and_is_all_that_is_added(
    values: dict[str, object], indent: int | str | None, around: str
) -> None:
    settings = read(around + json.dumps(values, indent=indent) + around)
    text = daemon.merged(settings, {"bip": "192.168.215.1/24"})
    assert json.loads(text) == {"bip": "192.168.215.1/24", **values}
    assert text.replace('\n  "bip": "192.168.215.1/24"', "", 1).replace("{,", "{", 1).replace("{\n}", "{}", 1)
    assert text.startswith(settings.text.partition("{")[0])
    assert text.endswith(settings.text.partition("{")[2])
    assert daemon.needed(LAN, read(text)) == {}


def test_where_there_is_no_file_one_is_written() -> None:
    text = daemon.merged(daemon.read(None, WHERE), {"bip": "192.168.215.1/24"})
    assert json.loads(text) == {"bip": "192.168.215.1/24"}


@pytest.mark.parametrize(
    ("text", "key", "at"),
    [
        ('{"log-driver" "json-file"}', "daemon.broken", ":1:15"),
        ('{\n  "a": 1\n  "b": 2\n}', "daemon.broken", ":3:3"),
        ('{\n  // mirrors\n  "a": 1\n}', "daemon.comments", ":2:3"),
        ('{\n  "a": 1, # mine\n  "b": 2\n}', "daemon.comments", ":2:11"),
        ("[]", "daemon.broken", ":1:1"),
        ('{"a": 1, "a": 2}', "daemon.broken", ""),
        ("{", "daemon.broken", ":1:2"),
    ],
)
def test_broken_settings_are_told_with_line_and_column(text: str, key: str, at: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(text)
    assert (caught.value.key, caught.value.where) == (key, WHERE + at)


@given(st.binary(max_size=200))
def test_whatever_stands_there_is_settings_or_a_sentence(content: bytes) -> None:
    with suppress(BadInput):
        assert isinstance(daemon.read(content, WHERE).values, dict)


@pytest.mark.parametrize(
    ("facts", "text", "keys"),
    [
        ({"routes": "192.168.1.0/24"}, "{}", {}),
        ({"routes": "172.17.0.0/24"}, "{}", {"bip": "192.168.215.1/24"}),
        ({"routes": "172.17.0.0/24 192.168.215.0/24"}, "{}", {"bip": "10.215.117.1/24"}),
        ({"routes": "172.17.0.0/24", "docker.info": "26.1"}, "{}", {}),
        ({"routes": "172.17.0.0/24", "bin.dockerd": "/usr/bin/dockerd"}, "{}", {}),
        ({"routes": "172.17.0.0/24"}, '{"bip": "10.9.9.1/24"}', {}),
        ({"routes": "172.17.0.0/24"}, '{"default-address-pools": []}', {}),
        ({"routes": "0.0.0.0/1 128.0.0.0/1"}, "{}", {}),
        ({"routes": "nonsense"}, "{}", {}),
    ],
)
def test_nothing_is_needed_but_a_bridge_that_harms_no_network(
    facts: dict[str, str], text: str, keys: dict[str, str]
) -> None:
    assert daemon.needed(Facts(facts), read(text)) == keys


@pytest.mark.parametrize(
    ("text", "key"),
    [('{"userns-remap": "default"}', "preflight.userns"), ('{"iptables": false}', "daemon.no_firewall"), ("{}", "")],
)
def test_settings_that_agents_cannot_run_with_are_refused(text: str, key: str) -> None:
    error = daemon.against(read(text), "m1")
    assert (error.key if error else "") == key
