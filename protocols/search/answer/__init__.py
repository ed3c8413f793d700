"""Analysis of a search: confirmation of the best trials, importance, response surfaces, recipe."""
