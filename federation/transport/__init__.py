"""HTTP in both directions; the only part of the library that knows aiohttp."""
