"""Catalogues of the pages' texts, and the command that keeps them complete.

    python -m node.web.translations update      add new texts, drop unused ones
    python -m node.web.translations check       exit 1 if a translation is missing
    python -m node.web.translations template    print messages.pot for translators

English is the source. Each package that shows texts has its own catalogue:
`node` here, together with what the protocol library and the schemas find wrong;
other packages in their folder `translations`.
"""
