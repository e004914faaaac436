"""The life of a ticket's child process: it hears its task, works, says its last word, and is gone."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from installer.booth.desk import Ends
from installer.booth.talk import Talk
from installer.booth.work import Tools, work


def main(tools: Callable[[Talk], Tools], report: Callable[[BaseException], str]) -> NoReturn:
    """Work as a child of a booth's desk; standard input and output are the pipe.

    Args:
        tools: puts together what the work stands on, once the task is known.
        report: writes down an error that nobody foresaw, and returns what it is called.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
    says = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing else gets between our words
    code = 1
    try:
        talk = Talk(sys.stdin.buffer, says)
        try:
            last = work(talk, tools(talk))
        except Exception as error:  # noqa: BLE001 - whatever it was, the desk is told
            last = Ends(
                "failed", "failed", "bug.unforeseen", "", {"kind": type(error).__name__, "report": report(error)}
            )
        talk.say(last)
        code = 0
    except (KeyboardInterrupt, OSError):
        code = 130
    with contextlib.suppress(OSError):
        says.close()
    os._exit(code)  # threads of a wire that hangs are nobody's business any more
