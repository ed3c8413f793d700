"""Figures from run directories; nothing here runs a simulator."""
