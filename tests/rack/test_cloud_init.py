"""The real cloud-init boots a machine with our user-data, and setup finds the work done."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rack import recipe
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine

LOGIN = "deploy"
SEED = "/var/lib/cloud/seed/nocloud"
# What a cloud's own image has: where its user-data is, and that the network and the package sources are as they are.
IMAGE = b"datasource_list: [NoCloud, None]\nnetwork: {config: disabled}\napt: {preserve_sources_list: true}\n"
STAGES = ("init --local", "init", "modules --mode=config", "modules --mode=final")


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="module")
def user_data(controller: Controller) -> str:
    answers = controller.folder / "answers.yaml"
    answers.write_text(f"version: 1\nmachine: {LOGIN}@\nos: {recipe.usual().origin.lower()}\nkey: ~/.ssh/secret\n")
    out = controller.folder / "user-data.yaml"
    typed = controller.done("cloud-init", "--answers", str(answers), "--out", str(out))
    assert "`key` of the answers is left out" in " ".join(typed.out.split())
    assert controller.type("cloud-init", "--out", str(out)).code == 3
    return out.read_text()


@pytest.fixture(scope="module")
def machine(user_data: str) -> Iterator[Machine]:
    """A machine after its first boot, as far as cloud-init is concerned."""
    recipe.SYSTEMS["cloud"] = replace(recipe.usual(), extra=("cloud-init",))
    files = {
        "/etc/cloud/cloud.cfg.d/99-image.cfg": (IMAGE, 0o644),
        f"{SEED}/meta-data": (b"instance-id: rack-1\n", 0o644),
        f"{SEED}/user-data": (user_data.encode(), 0o644),
    }
    with Machine(Build(system="cloud")) as machine:
        for path, (content, mode) in files.items():
            machine.put(path, content, mode)
        machine.sh("; ".join(f"cloud-init {stage}" for stage in STAGES) + " >/root/boot.log 2>&1", timeout=400)
        yield machine


def test_cloud_inits_own_schema_finds_nothing_wrong_with_it(machine: Machine) -> None:
    assert machine.run("cloud-init", "schema", "-c", f"{SEED}/user-data").text.startswith("Valid")


def test_a_first_boot_leaves_docker_our_key_and_the_fingerprint_to_compare(
    machine: Machine, controller: Controller
) -> None:
    log = machine.sh("cat /root/boot.log /var/log/cloud-init-output.log").text
    assert machine.fingerprint() in log, log[-2000:]
    assert "clawrack: Docker answers" in log, log[-2000:]
    assert f"clawrack setup --machine {LOGIN}@ADDRESS --fingerprint SHA256:" in log
    notes = machine.get("/var/lib/clawrack/prepare").decode().splitlines()
    assert {"docker=ours", "package=docker.io"} <= {*notes}
    assert machine.sh("ls -d /run/clawrack-first-boot 2>/dev/null || true").text == ""
    told = controller.done(
        "setup", "--machine", f"{LOGIN}@{machine.address}", "--fingerprint", machine.fingerprint(),
        "--plan", "--yes", "--json",
    )  # fmt: skip
    assert '"kind": "already"' in told.out
    already = {line for line in told.out.splitlines() if '"already"' in line}
    for step in ("step.packages", "step.engine"):
        assert any(f'"{step}"' in line for line in already), told.out


def test_nothing_secret_of_the_controller_is_in_it(user_data: str, controller: Controller) -> None:
    private = (controller.folder / "state/clawrack/key").read_text()
    assert not any(line and line in user_data for line in private.splitlines()[1:-1])
    assert "secret" not in user_data.replace("Nothing in here is secret", "")
    assert Path(controller.folder / "user-data.yaml").stat().st_size <= 16 << 10
