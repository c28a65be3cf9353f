"""Modules that stand in for absent ones which a peer's package imports, and which its arithmetic never uses."""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Anything(type):
    """A class of which every method exists, and returns the class."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **named: cls


class StandIns(MetaPathFinder, Loader):
    """While entered: what is missing of ``packages`` is found, with an empty class or, in capitals, text as any name.

    Packages that are there are found as ever.
    """

    def __init__(self, *packages):
        self.packages = packages

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.packages:
            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = ModuleType(spec.name)
        module.__getattr__ = self._member
        return module

    def exec_module(self, module):
        pass

    @staticmethod
    def _member(name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name if name.isupper() else _Anything(name, (), {})

    def __enter__(self):
        sys.meta_path.append(self)
        return self

    def __exit__(self, *exception):
        sys.meta_path.remove(self)
        for name, module in list(sys.modules.items()):
            if getattr(module, "__loader__", None) is self:
                del sys.modules[name]
