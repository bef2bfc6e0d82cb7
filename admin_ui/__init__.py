"""The office's pages, registered under the entry-point group spalier.pages."""
