"""Expansion of protocols into plain tables: timelines of stimuli and curricula of images."""
