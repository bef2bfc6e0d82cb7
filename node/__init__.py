"""What a cluster runs: members, entries, visibility, storage, pages, command line."""
