"""The documentation site: python -m sphinx -W -b html docs out/docs."""

project = "Assay"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "Assay"
default_role = "py:obj"  # single backticks in docstrings name objects
myst_heading_anchors = 3
nb_execution_mode = "off"
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
