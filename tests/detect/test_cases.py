"""Machines as data: each file of cases/ is a saved probe, with what is to be concluded from it in its first lines.

`#= AXIS VALUE`, with `sure` (0.8 or more) or `unsure` behind it where that matters.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.detect import Finding, Verdict, detect
from installer.facts import Facts, read
from installer.preflight import Need, judge

CASES = sorted(Path(__file__).parent.glob("cases/*.facts"))
JUDGED = {
    *("apt_busy", "cap_bounding", "cg1_mem", "cg2", "cg_limit", "cpu_model", "docker.info", "docker.root", "dpkg_arch"),
    *("docker.security", "epoch", "fs_errors", "listening", "mem.MemTotal", "mem.SwapTotal", "net_apt", "proxy"),
    *("routes", "df./", "df./var/lib", "sudo", "uid_map", "debian_version"),
}
FIXTURES = json.loads((Path(__file__).parent / "dmi-fixtures.json").read_text())
# Label of a fixture (linuxhw/DMI, CC-BY-4.0, and what cloud-init and kernel reports say) → hardware, vm, cloud
LABELS = {
    "synology": ("nas", "none", "none"),
    "ugreen": ("nas", "none", "none"),
    "zimaboard": ("sbc", "none", "none"),
    "zimablade": ("sbc", "none", "none"),
    "minipc": ("mini_pc", "none", "none"),
    "thinclient": ("thin_client", "none", "none"),
    "laptop": ("laptop", "none", "none"),
    "desktop_chromebox": ("desktop", "none", "none"),
    "sbc_rpi": ("sbc", "none", "none"),
    "sbc": ("sbc", "none", "none"),
    "server": ("server", "none", "none"),
    "desktop_unset": ("desktop", "none", "none"),
    "tencent_legacy": ("vm", "kvm", "tencent"),
    "huawei": ("vm", "kvm", "huawei"),
    "azure": ("vm", "microsoft", "azure"),
    "aws_swapped_endian": ("vm", "amazon", "aws"),
    "gcp_serial": ("vm", "kvm", "gcp"),
    "digitalocean": ("vm", "kvm", "digitalocean"),
}


def expected(path: Path) -> list[list[str]]:
    return [row.split()[1:] for row in path.read_text().splitlines() if row.startswith("#= ")]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_verdict_is_what_the_case_says(path: Path) -> None:
    verdict = detect(read(path.read_bytes()))
    wanted = expected(path)
    assert wanted
    for axis, value, *sureness in wanted:
        if axis == "traits":
            assert value in verdict.traits
            continue
        found: Finding = getattr(verdict, axis)
        assert found.value == value, (axis, found)
        assert not sureness or found.sure == (sureness[0] == "sure"), (axis, found)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_evidence_is_what_the_probe_said(path: Path) -> None:
    facts = read(path.read_bytes())
    for name in Verdict.__struct_fields__[:-1]:
        finding: Finding = getattr(detect(facts), name)
        assert set(finding.evidence) <= facts.values.keys()
        assert 0 <= finding.confidence <= 1
        assert finding.evidence or not finding.sure or name in {"version", "architecture"}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture["source"][-40:])
def test_every_real_capture_of_firmware_is_classified_right(fixture: dict[str, dict[str, str]]) -> None:
    verdict = detect(Facts({f"dmi.{key}": value for key, value in fixture["dmi"].items()}))
    assert (verdict.hardware.value, verdict.vm.value, verdict.cloud.value) == LABELS[str(fixture["label"])]


KEYS = sorted({key for path in CASES for key in read(path.read_bytes()).values} | JUDGED)
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["1", "0", "none", "\N{SUPERSCRIPT TWO}", "-1", "9" * 300, "/dev/x 1 \u00b2 / ro"]),
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_nothing_that_a_machine_says_breaks_the_verdict(values: dict[str, str]) -> None:
    facts = Facts(values, 1_000_000.0)
    detect(facts)
    judge(facts, Need(memory=2 << 30, data=1 << 30, engine=1 << 30, architectures=frozenset({"amd64"}), port=18789))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_half_a_probe_makes_nobody_sure(path: Path) -> None:
    half = path.read_bytes().replace(b"clawrack-probe-end", b"")
    verdict = detect(read(half))
    findings = (verdict.os, verdict.hardware, verdict.vm, verdict.container, verdict.cloud)
    assert "cut-short" in verdict.traits
    assert not any(finding.sure for finding in findings)
