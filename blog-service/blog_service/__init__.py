"""Posts: the blog of Inkwell, on SQLite."""
