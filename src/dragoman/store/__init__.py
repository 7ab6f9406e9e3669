"""The record: exchanges, their bodies as segments and chains, search, settings."""

from dragoman.store.store import Store
from dragoman.store.types import (
    Batch,
    Bucket,
    Changes,
    Checkpoint,
    Count,
    Deletion,
    Page,
    Policy,
    Position,
    Preview,
    StepResult,
    Storage,
    VerifyReport,
)

__all__ = [
    "Batch",
    "Bucket",
    "Changes",
    "Checkpoint",
    "Count",
    "Deletion",
    "Page",
    "Policy",
    "Position",
    "Preview",
    "StepResult",
    "Storage",
    "Store",
    "VerifyReport",
]
