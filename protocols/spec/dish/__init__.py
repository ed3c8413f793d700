"""Sections for a living dish: the culture, its timeline of stimulation, and how its activity is measured."""
