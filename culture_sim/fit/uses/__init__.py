"""What twins and posteriors are used for: groups compared, protocols predicted, twins ranked, models compared."""
