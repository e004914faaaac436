"""The meter: it stands between a machine's agents and the model providers, and counts.

A program of its own: it needs Python 3.11 and aiohttp 3.8 or newer, and imports nothing else of clawrack.
"""

VERSION = "0.3.0"
MODEL = "main"
"""The one model that every agent knows; what stands behind it is the meter's affair."""
