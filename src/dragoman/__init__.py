"""Dragoman stands between programs and language models: it passes on, remembers and shows."""

__version__ = "0.1.0"
