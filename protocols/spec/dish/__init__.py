"""Sections for a dish that is recorded over time: how its activity is measured."""
