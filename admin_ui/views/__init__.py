"""The office's pages, a module for each part of its work."""
