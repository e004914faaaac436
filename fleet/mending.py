"""An agent's release had again as it came: what somebody changed on its machine is put back."""

from fleet.actions import Deploy, Mend
from fleet.deploy import Order, files_of, secrets_of
from fleet.gate import Who
from fleet.model import Target
from fleet.site import Site


def mend(site: Site, action: Mend, target: Target, who: Who) -> bool:
    """Put the release's files back, or make its container anew; whether anything had to be done.

    The agent restarts, and stays stopped where it was stopped on purpose.

    Raises:
        ActionFailed: the machine said no; for files also where what we render is not what came with the release.
        Unreachable: the wire was cut.
    """
    if action.what == "box":
        return site.guard.mend(site.lease, "box", action.agent)
    release = Deploy(machine=action.machine, agent=action.agent, release=action.release, reason=action.reason)
    known = secrets_of(site.guard, action.agent, who.kind)
    return site.guard.mend(site.lease, "config", action.agent, files=files_of(Order(release, target, who), known))
