"""The guard's verbs that only the doctor calls."""

from fleet.base.errors import ActionFailed, Unreachable
from fleet.doctor.checkup import Checkup, read
from fleet.machine.guard import Guard, parse

_MOST = 8 << 20  # bytes of an answer: the files of hundreds of agents


class Checkups(Guard):
    """The guard of one machine, asked how the machine is and told what to put right; raises as Guard does."""

    def checkup(self) -> Checkup:
        """Return how the machine is; one round trip."""
        ran = self.port.run((self.path, "checkup"), root=True, timeout=60, cap=_MOST)
        if ran.code:
            raise self._error("checkup", ran.code, parse(ran.out), ran.err)
        return read(ran.out)

    def report(self) -> bytes:
        """Return the meter's report; empty where it gives none."""
        try:
            return self.usage()
        except Unreachable:
            raise
        except ActionFailed:
            return b""
