"""Pages for people: layout, components, languages, protection, errors.

`application.build_application` puts the parts together; page modules add routes
through a function `register(app)` and answer with `rendering.render`.
"""
