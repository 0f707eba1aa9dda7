"""Small, fast named-entity models from a few labelled sentences and a lot of raw text."""

__version__ = "0.1.0"
