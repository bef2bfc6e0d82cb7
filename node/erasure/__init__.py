"""What a restore must not undo: the journal outside the database.

`decisions` are the lines, `journal` the file, `facts` what the database itself says,
`replay` brings an older database in line. Source: SPEC.md NOD-066 to NOD-072.
"""
