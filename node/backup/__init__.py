"""Backups of a node's database, and how they are put back.

`file_format` is the file, `copying` and `loading` stand between it and a database of
either engine, `trial` tries it, `shelf` is the folder with many of them, `backups` the
service and `restoring` the way back. Source: SPEC.md NOD-060 to NOD-072.
"""
