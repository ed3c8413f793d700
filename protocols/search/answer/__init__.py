"""What a search found: confirmation, importance, response surfaces and the recipe."""
