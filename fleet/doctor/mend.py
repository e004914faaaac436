"""Mending: the closed set of fixes, each through the guard or the planner's own ways, under the lease.

A fix looks before it acts: done a second time it is AlreadyTrue. Whether it helped is told by looking again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import templates
from fleet.actions import AnyAction, Deploy, PlaceImage, PlaceMeter, Start
from fleet.base.errors import ActionFailed, Refused
from fleet.base.outcome import AlreadyTrue, Done, Outcome
from fleet.doctor.calls import Checkups
from fleet.doctor.finding import Finding
from fleet.doctor.symptoms import Expected, Symptoms
from fleet.machine.guard import pack
from fleet.site import Site

Act = Callable[[Site, AnyAction], bool]
"""Carries an action out on a machine as a plan would, with the journal; returns whether anything had to be done."""


@dataclass(frozen=True)
class Bench:
    """Where a finding is mended: a machine under our lease, what was seen of it, and the planner's hands."""

    site: Site
    symptoms: Symptoms
    act: Act

    def guard(self, *words: str, stdin: bytes = b"") -> bool:
        """Have the guard put one thing right."""
        return Checkups(self.site.port).mend(self.site.lease, *words, stdin=stdin)

    def expected(self, finding: Finding) -> Expected:
        """Return the finding's agent as our files say it is."""
        return self.symptoms.expected[finding.agent]


def mend(bench: Bench, finding: Finding) -> Outcome:
    """Do what a finding's fix does.

    Raises:
        ActionFailed, Refused: the machine says no.
        Unreachable: the wire was cut.
    """
    bench.site.renew()
    return Done() if _FIXES[finding.fix](bench, finding) else AlreadyTrue()


def _engine(bench: Bench, _: Finding) -> bool:
    return bench.guard("engine")


def _modes(bench: Bench, _: Finding) -> bool:
    return bench.guard("modes")


def _firewall(bench: Bench, _: Finding) -> bool:
    return bench.guard("firewall")


def _units(bench: Bench, _: Finding) -> bool:
    folder = templates.path("machine", "units")
    units = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()) if path.is_file()}
    return bench.guard("units", stdin=pack(units))


def _image(bench: Bench, finding: Finding) -> bool:
    if not finding.agent:
        return bench.act(bench.site, _meter_image(bench))
    agent = bench.expected(finding).agent
    wanted = PlaceImage(
        machine=finding.machine, image=agent.image, of=agent.kind, ref=agent.ref, reason="reason.image_absent"
    )
    return bench.act(bench.site, wanted)


def _meter_image(bench: Bench) -> PlaceImage:
    machine, reason = bench.symptoms.machine, "reason.image_absent"
    return PlaceImage(
        machine=bench.symptoms.name, image=machine.meter, of="meter", ref=machine.meter_ref, reason=reason
    )


def _meter(bench: Bench, _: Finding) -> bool:
    """The image first: a meter that is gone may have taken it along."""
    name, image = bench.symptoms.name, bench.symptoms.machine.meter
    meter = Checkups(bench.site.port).checkup().meter
    if meter and meter.state == "running":
        return False
    bench.act(bench.site, _meter_image(bench))
    bench.act(bench.site, PlaceMeter(machine=name, image=image, reason="reason.meter_down"))
    return True


def _start(bench: Bench, finding: Finding) -> bool:
    return bench.act(bench.site, Start(machine=finding.machine, agent=finding.agent, reason="reason.agent_down"))


def _trial(bench: Bench, finding: Finding) -> bool:
    """Go on where a controller that is gone left off: the gate, and the commit; or all of it back."""
    seen = Checkups(bench.site.port).checkup().boxes.get(finding.agent)
    if seen is None or not seen.trial:
        return False
    release = bench.expected(finding).release
    if seen.trial != release:
        raise Refused("doctor.other_trial", where=finding.subject, agent=finding.agent)
    resumed = Deploy(
        machine=finding.machine,
        agent=finding.agent,
        release=release,
        replaces=seen.release,
        resumes=True,
        reason="reason.trial_left",
    )
    return bench.act(bench.site, resumed)


def _config(bench: Bench, finding: Finding) -> bool:
    files = bench.expected(finding).files
    if not files:
        raise ActionFailed("doctor.not_rendered", where=finding.subject, agent=finding.agent)
    return bench.guard("config", finding.agent, stdin=pack(files))


_FIXES: dict[str, Callable[[Bench, Finding], bool]] = {
    "engine": _engine,
    "modes": _modes,
    "units": _units,
    "firewall": _firewall,
    "image": _image,
    "meter": _meter,
    "start": _start,
    "trial": _trial,
    "config": _config,
}
