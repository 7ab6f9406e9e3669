"""The keeper: reads the journals, understands, stores, shows, and publishes the Setup."""

from dragoman.keeper.ingest import Ingest, Lag
from dragoman.keeper.keeper import Keeper

__all__ = ["Ingest", "Keeper", "Lag"]
