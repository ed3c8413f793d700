"""The search for a better culture or network: from the ``search:`` section to an answer that a lab can use."""
