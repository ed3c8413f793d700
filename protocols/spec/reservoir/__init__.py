"""The ``reservoir:`` section: patterns in through electrodes, evoked activity read out by a linear classifier."""
