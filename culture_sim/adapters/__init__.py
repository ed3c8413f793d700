"""Adapters to the software of other makers, each imported only where that software is installed."""
