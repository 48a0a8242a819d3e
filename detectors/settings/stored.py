"""Settings that were accepted once, and are read again from where they were kept: later rules do not hold for them, or a worker could not read its monitors."""

from pydantic import ValidationInfo

STORED = "stored"
"""Context of a validation of such settings."""


def is_stored(info: ValidationInfo) -> bool:
    """Whether settings were accepted before."""
    return info.context == STORED
