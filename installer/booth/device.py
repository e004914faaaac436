"""The right device: it shows the host key that was meant, and behind it is the computer that was there before."""

from typing import NoReturn

from fleet.base.clean import line
from fleet.base.errors import Refused
from fleet.base.event import Event, Listener
from fleet.kinds import kind
from fleet.machine import hostkey
from fleet.machine.guard import GUARD
from fleet.machine.hostkey import HostKey
from fleet.machine.port import Port
from fleet.machine.target import parse
from installer.booth.codes import COMMAND, device_code, same_device
from installer.booth.desk import Looked
from installer.booth.order import Task
from installer.booth.talk import Talk
from installer.booth.ticket import Marks, Wanted
from installer.detect import again, detect
from installer.facts import Facts, look
from installer.preflight import judge, need_of, refuse
from installer.wizard.question import NO, YES


def shown_by(task: Task) -> HostKey:
    """Return the host key that is shown at the ticket's address.

    Raises:
        Refused: it is another device's (``booth.another_device``).
        Unreachable: nobody there.
    """
    shown = hostkey.fetch(parse(task.order.machine))
    told = task.order.device
    if told and not same_device(told, shown):
        _another(task, shown, told)
    if task.marks and task.marks.host_key != shown.fingerprint:
        _another(task, shown, task.marks.host_key)
    return shown


def match(talk: Talk, shown: HostKey) -> None:
    """Have the operator say that this is the device in front of them, where nobody did by its code.

    No password is sent before that.

    Raises:
        Refused: it is not (``booth.another_device``).
    """
    order = talk.task.order
    if order.device or talk.task.marks:
        return
    params = {
        "code": device_code(shown), "fingerprint": shown.fingerprint, "command": COMMAND, "machine": order.machine,
    }  # fmt: skip
    wanted = Wanted(id="match", customer=False, options=((YES, YES), (NO, NO)), params=params)
    if talk.ask(wanted) != YES:
        _another(talk.task, shown, "-")


def inspect(talk: Talk, port: Port, shown: HostKey, listen: Listener) -> None:
    """Look at the device; where it was looked at before, it must be the same computer still.

    Raises:
        Refused: it is another one, has agents (``booth.has_agents``), or does not fit.
    """
    task, facts = talk.task, look(port)
    seen = Marks(host_key=shown.fingerprint, hardware=again.hardware_ids(facts))
    if task.marks and _cloned(task.marks, seen):
        _another(task, shown, task.marks.host_key)
    talk.say(Looked(device_code(shown), _what(facts), seen))
    problems = judge(facts, need_of(kind(task.order.kind)))
    if not task.touched:  # what it needs, and the guard, it may have got from us already
        _vacant(facts, port.name)
        refuse(problems, port.name)
    for problem in problems:
        listen(Event(kind="note", subject="", step=f"{problem.key}.what", params={**problem.params}))


def _another(task: Task, shown: HostKey, told: str) -> NoReturn:
    raise Refused(
        "booth.another_device", where=parse(task.order.machine).place, told=told, shown=shown.fingerprint,
        code=device_code(shown), ticket=task.number,
    )  # fmt: skip


def _cloned(before: Marks, seen: Marks) -> bool:
    """Tell whether another computer is behind the host key of before: a disk can change places."""
    known = {"ticket": again.Marks(host_key=before.host_key, hardware=before.hardware)}
    return again.recognise(known, again.Marks(host_key=seen.host_key, hardware=seen.hardware)).answer == "cloned"


def _vacant(facts: Facts, where: str) -> None:
    """See that no agent is on the device: with a ticket that fails, all that is there would go.

    Raises:
        Refused: a guard is there (``booth.has_agents``).
    """
    if facts.has(GUARD):
        raise Refused("booth.has_agents", where=where)


def _what(facts: Facts) -> str:
    """Return what the device is, in a few words."""
    verdict = detect(facts)
    system = facts.get("os.PRETTY_NAME") or verdict.os.value
    model = " ".join(filter(None, (facts.get("dmi.sys_vendor"), facts.get("dmi.product_name"))))
    return line(" · ".join(filter(None, (system, verdict.hardware.value, model))), 100)
