"""Finished runs written in the formats of labs: NWB, tables, NIX through Neo."""
