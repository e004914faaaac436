"""Programs of this computer that the assembly starts: by argv, without a shell, with their complaint kept."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleet.base.clean import line
from fleet.base.errors import ActionFailed

_ERRORS = ("E:", "ERROR", "error", "npm error")
_NOISE = ("npm error code", "npm error A complete log", "npm error errno", "npm error syscall")


def run(
    words: Sequence[str],
    *,
    key: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 1200,
) -> bytes:
    """Return what the program printed.

    Args:
        words: the program and its arguments.
        key: the error's key in the words; it gets ``reason``, the last complaint.
        cwd: where it runs.
        env: added to our own environment: mirrors, proxies and certificate authorities are told there.
        timeout: seconds.

    Raises:
        ActionFailed: it is not there, ended otherwise than with 0, or took too long.
    """
    told = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(
            words, cwd=cwd, env=told, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ActionFailed(key, reason=line(str(error))) from error
    if done.returncode != 0:
        raise ActionFailed(key, reason=complaint(done.stderr or done.stdout))
    return done.stdout


def complaint(output: bytes) -> str:
    """Return the first line that tells the error; the last line where none claims to be one."""
    lines = [line(text) for text in output.decode(errors="replace").splitlines() if text.strip()]
    errors = [text for text in lines if text.startswith(_ERRORS) and not text.startswith(_NOISE)]
    return errors[0] if errors else (lines or ["no reason given"])[-1]
