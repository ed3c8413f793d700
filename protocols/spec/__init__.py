"""The experiment file as frozen types: sections, units, and consistency checks between sections."""
