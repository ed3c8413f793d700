"""Pages of finished runs, one module a kind of experiment."""
