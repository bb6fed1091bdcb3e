"""The state store: SQLAlchemy Core over SQLite, its migrations inside the package."""
