"""Is it this very meter that serves? What the guard goes by when a new one has taken its place."""

import subprocess
import sys

from meter_rig import Rig

from templates.meter.meter import VERSION


def ready(rig: Rig, *words: str, port: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meter", "ready", *words]
    return subprocess.run(
        command, env=rig.environment(port or rig.port), capture_output=True, text=True, check=False, timeout=30
    )


def test_a_meter_that_serves_says_its_version(rig: Rig) -> None:
    rig.agent("front-desk", 1)
    done = ready(rig.start(), "--within", "5")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{VERSION}\n", "")


def test_where_nothing_listens_it_is_not_ready(rig: Rig) -> None:
    done = ready(rig, "--within", "0.5", port=9)
    assert (done.returncode, done.stdout) == (1, "")
    assert "ConnectionRefusedError" in done.stderr


def test_another_version_than_the_images_is_not_it(rig: Rig) -> None:
    rig.agent("front-desk", 1)
    rig.start()
    script = "import meter, sys; meter.VERSION = '9.9.9'; from meter.__main__ import main; sys.exit(main(['ready']))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=rig.environment(rig.port), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, f"meter: version '{VERSION}' answers, and not 9.9.9\n")


def test_a_meter_whose_routes_cannot_be_used_is_not_well(rig: Rig) -> None:
    rig.agent("front-desk", 1)
    rig.start()
    rig.replace("routes.json", "{}")
    done = ready(rig)
    assert done.returncode == 1
    assert '"routes": "broken"' in done.stderr
