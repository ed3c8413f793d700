"""Self-contained HTML pages of runs, studies and recordings."""
