"""Reading run directories, studies and published values."""
