"""The experiment file as frozen types: sections, units, and what they must agree on."""
