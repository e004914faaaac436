"""What is said of a container that somebody else made: from what engines show of compose projects, cells and others."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fleet.adopt import recognise, signs, watching
from fleet.adopt.container import Container, holds, opened, read
from fleet.adopt.recognise import Found, Peeked
from fleet.api.adopting import Terms, check
from fleet.base.errors import BadInput, Refused
from fleet.base.secret import Secret

OPENCLAW = signs.all_signs()["openclaw"]
ID = "a" * 64
CONFIG: dict[str, Any] = {
    "gateway": {"auth": {"token": "canary-token"}},
    "agents": {"defaults": {"model": {"primary": "openai/gpt-6-astra"}}},
    "models": {"providers": {"openai": {"apiKey": "sk-canary-key-of-config", "baseUrl": "https://api.openai.com/v1"}}},
    "channels": {"telegram": {"enabled": True, "botToken": "123:canary"}, "slack": {"enabled": False}},
}


def container(**more: Any) -> Container:
    """As docker 20.10 shows OpenClaw's own compose service; what is given replaces parts of it."""
    said: dict[str, Any] = {
        "Id": ID,
        "Name": "/openclaw-openclaw-gateway-1",
        "Image": "sha256:" + "b" * 64,
        "Path": "tini",
        "Args": ["-s", "--", "node", "dist/index.js", "gateway", "--bind", "lan", "--port", "18789"],
        "Config": {
            "Image": "ghcr.io/openclaw/openclaw:2026.9.5",
            "Env": ["HOME=/home/node", "OPENCLAW_GATEWAY_TOKEN=canary-token", "TZ="],
            "Labels": {"com.docker.compose.project": "openclaw", "com.docker.compose.service": "openclaw-gateway"},
        },
        "HostConfig": {
            "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
            "NetworkMode": "openclaw_default",
            "PortBindings": {"18789/tcp": [{"HostIp": "", "HostPort": "18789"}], "18790/tcp": None},
        },
        "Mounts": [
            {"Type": "bind", "Source": "/home/me/.openclaw", "Destination": "/home/node/.openclaw"},
            {"Type": "bind", "Source": "/home/me/ws", "Destination": "/home/node/.openclaw/workspace"},
        ],
        "State": {"Status": "running", "StartedAt": "2026-11-01T00:00:00Z"},
    }
    for key, value in more.items():
        said[key] = said[key] | value if isinstance(value, dict) else value
    found = read(said)
    assert found
    return found


def found_in(one: Container, config: Any = None, version: Any = None) -> Found:
    assert recognise.kind_of(one, {"openclaw": OPENCLAW}) == "openclaw"
    return recognise.recognised("pc", one, "openclaw", OPENCLAW, Peeked(config, version))


def test_a_compose_installation_is_told_whole_and_no_secret_of_it() -> None:
    found = found_in(container(), CONFIG, {"version": "2026.9.6"})
    assert (found.version, found.kept, found.source) == ("2026.9.6", "bind", "/home/me/.openclaw")
    assert (found.supervisor, found.project, found.restart) == ("compose", "openclaw", "unless-stopped")
    assert [(port.port, port.world) for port in found.ports] == [("18789", True)]
    assert (found.model, found.channels) == ("openai/gpt-6-astra", ("telegram",))
    assert [(key.provider, key.where, key.name) for key in found.keys] == [("openai", "configuration", "openai")]
    assert found.name == "openclaw-openclaw-gateway-1"
    assert "canary" not in repr(found)


def test_a_cell_of_openclaws_own_fleet_is_known_by_its_label_and_named_after_its_tenant() -> None:
    labels = {"openclaw.fleet.tenant": "social", "openclaw.fleet.owner": "me"}
    cell = container(
        Name="/openclaw-cell-social",
        Config={"Labels": labels, "Image": "sha256:" + "c" * 64, "Env": ["OPENAI_API_KEY=sk-canary"]},
        HostConfig={"PortBindings": {"18789/tcp": [{"HostIp": "127.0.0.1", "HostPort": "19100"}]}},
    )
    found = found_in(cell)
    assert (found.name, found.supervisor, found.project) == ("social", "openclaw-fleet", "social")
    assert [port.world for port in found.ports] == [False]
    assert [(key.provider, key.where) for key in found.keys] == [("openai", "environment")]
    assert found.version == ""


@pytest.mark.parametrize(
    ("image", "known"),
    [
        ("ghcr.io/openclaw/openclaw:2026.9.6", True),
        ("openclaw/openclaw@sha256:" + "d" * 64, True),
        ("openclaw:local", True),
        ("localhost:5000/me/openclaw", True),
        ("nginx:1", False),
        ("me/notopenclaw", False),
    ],
)
def test_an_image_is_known_by_its_name_wherever_it_comes_from(image: str, known: bool) -> None:
    plain = container(Config={"Image": image, "Env": [], "Labels": {}})
    assert bool(recognise.kind_of(plain, {"openclaw": OPENCLAW})) is known


def test_the_images_other_uses_and_our_own_containers_are_not_agents() -> None:
    cli = container(Args=["node", "dist/index.js", "channels", "login"])
    assert recognise.kind_of(cli, {"openclaw": OPENCLAW}) == ""
    ours = container(Config={"Labels": {"clawrack.machine": "x", "openclaw.fleet.tenant": "t"}})
    assert recognise.kind_of(ours, {"openclaw": OPENCLAW}) == ""


@pytest.mark.parametrize(
    ("image", "told", "version"),
    [
        ("openclaw/openclaw:2026.9.5", None, "2026.9.5"),
        ("openclaw/openclaw:2026.8.1-r20260820", None, "2026.8.1-r20260820"),
        ("openclaw/openclaw:latest", None, ""),
        ("openclaw/openclaw:latest", {"version": "2026.9.4"}, "2026.9.4"),
        ("openclaw/openclaw:2026.9.5", {"version": ["x"]}, "2026.9.5"),
        ("openclaw/openclaw:2026.9.5", "nonsense", "2026.9.5"),
    ],
)
def test_the_version_is_what_it_says_itself_else_its_tag_and_never_a_guess(image: str, told: Any, version: str) -> None:
    assert recognise.version_of(container(Config={"Image": image}), OPENCLAW, told) == version


def test_state_and_configuration_are_where_its_environment_says() -> None:
    moved = container(Config={"Env": ["OPENCLAW_STATE_DIR=/data/claw/", "OPENCLAW_CONFIG_PATH=/data/../etc/c.json"]})
    assert recognise.state_of(moved, OPENCLAW) == "/data/claw"
    assert recognise.config_of(moved, OPENCLAW) == "/etc/c.json"
    assert recognise.state_of(container(Config={"Env": ["OPENCLAW_STATE_DIR=relative"]}), OPENCLAW) == OPENCLAW.state


def test_what_holds_its_state_is_the_nearest_mount() -> None:
    home = {"Type": "volume", "Name": "claw_home", "Source": "/v/claw_home/_data", "Destination": "/home/node"}
    volume = found_in(container(Mounts=[home]))
    assert (volume.kept, volume.source) == ("volume", "claw_home")
    assert found_in(container(Mounts=[])).kept == "container"
    assert found_in(container(Mounts=None)).kept == "container"
    mount = holds(container(), "/home/node/.openclaw/workspace/x")
    assert mount
    assert mount.source == "/home/me/ws"
    assert holds(container(), "/home/node/.openclaw-other") is None


def test_the_host_network_is_open_to_the_world() -> None:
    assert [port.world for port in opened(container(HostConfig={"NetworkMode": "host"}))] == [True]
    six = {"18789/tcp": [{"HostIp": "::", "HostPort": "1"}, {"HostIp": "10.0.0.5", "HostPort": "2"}]}
    assert [port.world for port in opened(container(HostConfig={"PortBindings": six}))] == [True, False]


def test_keys_are_read_only_where_they_are_keys() -> None:
    env = container(Config={"Env": ["OPENAI_API_KEY=sk-canary-env", "ZAI_API_KEY="]})
    held = recognise.held_keys(env, OPENCLAW, CONFIG)
    assert [(one.provider, one.key.reveal()) for one in held] == [
        ("openai", "sk-canary-env"),
        ("openai", "sk-canary-key-of-config"),
    ]
    assert "canary" not in repr(held)
    reference = {"models": {"providers": {"x": {"apiKey": {"source": "env"}}, "y": {"apiKey": "$KEY", "baseUrl": "b"}}}}
    assert recognise.held_keys(container(), OPENCLAW, reference) == []
    own = {"models": {"providers": {"mine": {"apiKey": "k", "baseUrl": "https://a.example/v1"}}}}
    assert [(o.provider, o.key) for o in recognise.held_keys(container(), OPENCLAW, own)] == [
        ("https://a.example/v1", Secret("k"))
    ]


def test_nothing_that_a_machine_says_reaches_the_terminal_as_it_is() -> None:
    hostile = "\x1b[2J\u202eclaw"
    one = container(
        Name=f"/{hostile}",
        Config={"Image": f"openclaw/openclaw:{hostile}", "Labels": {"com.docker.compose.project": hostile}},
        Mounts=[{"Type": "bind", "Source": f"/{hostile}", "Destination": "/home/node/.openclaw"}],
    )
    config: dict[str, Any] = {"channels": {hostile: {}}, "agents": {"defaults": {"model": {"primary": hostile}}}}
    told = json.dumps([str(value) for value in _texts(found_in(one, config))], ensure_ascii=False)
    assert "\x1b" not in told
    assert "\u202e" not in told


def _texts(found: Found) -> list[object]:
    return [getattr(found, field) for field in found.__struct_fields__ if field not in {"id", "image_id"}]


WORDS = ["models", "providers", "channels", "agents", "defaults", "model", "primary", "apiKey", "enabled", "x"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(WORDS), inner),
    max_leaves=20,
)


@given(ANYTHING)
def test_any_configuration_is_read_without_a_crash(config: Any) -> None:
    found_in(container(), config, config)
    recognise.held_keys(container(), OPENCLAW, config)


@pytest.mark.parametrize("said", [None, [], {}, {"Id": 1}, {"Id": "x", "Config": []}, {"Id": "x", "Mounts": [1]}])
def test_what_is_no_container_is_none(said: Any) -> None:
    assert read(said) is None


def test_it_is_taken_only_on_terms_and_where_there_is_room() -> None:
    found = found_in(container(), CONFIG, {"version": "2026.9.6"})
    with pytest.raises(Refused) as told:
        check(found, Terms())
    assert told.value.key == "import.channels"
    check(found, Terms(silent=True))
    with pytest.raises(Refused) as told:
        check(found_in(container(Config={"Image": "openclaw:local"})), Terms())
    assert told.value.key == "import.no_version"
    with pytest.raises(Refused) as told:
        check(structs.replace(found, bytes=5 << 30, free=5 << 30), Terms(silent=True))
    assert told.value.key == "import.no_room"


def test_what_is_watched_is_written_and_read_again(tmp_path: Path) -> None:
    found = found_in(container(), CONFIG)
    watching.note(tmp_path, found, "social")
    text = (tmp_path / "imports" / "social.yaml").read_text()
    assert "canary" not in text
    assert watching.load(tmp_path)["social"].container == "openclaw-openclaw-gateway-1"
    assert [one.name for one in watching.views(tmp_path)] == ["social"]
    watching.note(tmp_path, found, "social", "taken")
    assert watching.views(tmp_path) == ()
    with pytest.raises(BadInput):
        watching.find(tmp_path, "nobody")
    (tmp_path / "imports" / "social.yaml").write_text(f"format: 99\n{text}")
    with pytest.raises(Refused):
        watching.load(tmp_path)
