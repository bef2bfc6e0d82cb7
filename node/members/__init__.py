"""Who belongs to this cluster: organisations, persons and their roles."""
