"""Deep networks trained by Hebbian rules: a place kept, nothing is built here yet."""
