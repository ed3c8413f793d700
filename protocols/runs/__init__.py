"""The command, run directories, processes, progress and interruption."""
