"""Run by path in a process of its own, since the last step may abort it: one line of JSON for each step survived.

Steps: which JAX plug-ins fail to load, and which backends live; then what becomes of the float6 types (an array moved
to the device, a cast of a jit argument, a cast of a folded constant).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import logging
import pkgutil
from collections.abc import Callable
from typing import Any


class _Collector(logging.Handler):
    """Keeps what JAX logs while its backends start, in place of printing it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the reason, or else the message."""
        reason = record.exc_info[1] if record.exc_info else None
        self.messages.append(str(reason or record.getMessage()).split("\n")[0])


def plugins() -> dict[str, Any]:
    """Installed plug-ins by name, errors logged at start, and the platforms of the devices."""
    collector = _Collector()
    logging.getLogger("jax._src.xla_bridge").addHandler(collector)
    devices = _module("jax").devices()
    return {
        "installed": _installed(),
        "errors": collector.messages,
        "platforms": sorted({device.platform for device in devices}),
    }


def _installed() -> list[str]:
    """JAX finds plug-ins as entry points and as modules of the namespace package ``jax_plugins``."""
    names = {entry.name for entry in importlib.metadata.entry_points(group="jax_plugins")}
    space = importlib.util.find_spec("jax_plugins")
    folders = space.submodule_search_locations if space else None
    return sorted(names | {module.name for module in pkgutil.iter_modules(folders or [])})


def _float6_steps() -> dict[str, Callable[[], Any]]:
    jax, jnp, ml_dtypes, np = map(_module, ("jax", "jax.numpy", "ml_dtypes", "numpy"))
    x, float6 = np.ones(2, np.float32), ml_dtypes.float6_e2m3fn

    def cast(x: Any) -> Any:
        return x.astype(float6)

    return {
        "an array moved to the device": lambda: jax.device_put(cast(x)),
        "a cast of an argument": lambda: jax.jit(cast)(x),
        "a cast of a constant": lambda: jax.jit(lambda: cast(jnp.asarray(x)))(),
    }


def _module(name: str) -> Any:
    return importlib.import_module(name)


def main() -> None:
    """Announce each step before it runs, so that the reader knows which one ended the process."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # no core file from the abort that is expected

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps({"plugins": plugins()}), flush=True)
    for name, step in _float6_steps().items():
        print(json.dumps({"begin": name}), flush=True)
        try:
            step().block_until_ready()
            outcome = "works"
        except Exception:  # JAX refuses by several error classes
            outcome = "refused"
        print(json.dumps({"end": name, "outcome": outcome}), flush=True)


if __name__ == "__main__":
    main()
