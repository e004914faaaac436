"""Where the meter finds and keeps things: three variables of the environment, none of them secret."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The folder of its configuration, the file of its ledger, where it listens, how long a drain may take."""

    config: Path = Path("/etc/clawrack-meter")
    ledger: Path = Path("/ledger/ledger.sqlite")
    host: str = "0.0.0.0"  # noqa: S104 (nothing is published; only the agents' own networks reach it)
    port: int = 8080
    drain_seconds: float = 25.0


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read ``CLAWRACK_METER_CONFIG``, ``CLAWRACK_METER_LEDGER`` and ``CLAWRACK_METER_LISTEN`` (HOST:PORT).

    Raises:
        ValueError: the address is not HOST:PORT.
    """
    usual = Settings()
    host, _, port = environment.get("CLAWRACK_METER_LISTEN", f"{usual.host}:{usual.port}").rpartition(":")
    return Settings(
        config=Path(environment.get("CLAWRACK_METER_CONFIG", usual.config)),
        ledger=Path(environment.get("CLAWRACK_METER_LEDGER", usual.ledger)),
        host=host,
        port=int(port),
    )
