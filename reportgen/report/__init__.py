"""Pages from bundles: the only room that imports jinja2 and weasyprint."""
