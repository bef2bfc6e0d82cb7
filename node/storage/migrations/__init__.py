"""Schema revisions, forward only: the way back is the backup.

A revision is written out in full and never imports `node.storage.tables`, which
goes on changing. Until the first release, revision 0001 is written anew from the
tables instead of being followed by others:

    python -m node.storage.migrations
"""
