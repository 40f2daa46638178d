"""Users and articles: the platform of Inkwell, on PostgreSQL."""
