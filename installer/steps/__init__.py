"""Idempotent changes to a machine."""
