"""The marker of tests that execute a notebook."""

from __future__ import annotations


def pytest_configure(config):
    config.addinivalue_line("markers", "notebooks: executes a notebook from top to bottom")
