"""Key-value caches in 8 or 4 bits, by what transformers and the installed packages can do."""

from __future__ import annotations

import importlib.util
from typing import Any, Final, Literal

from indexes.errors import ConfigurationError

CacheType = Literal["auto", "fp8", "int8", "int4"]

# Bits of each type, and the backend of transformers for it with its arguments. FP8 needs no package; hqq has four bits
# too, but packs them by pairs and fails for every odd number of tokens.
CACHE_BITS: Final = {"fp8": 8, "int8": 8, "int4": 4}
_BACKENDS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "fp8": ("fp8", {}),
    "int8": ("hqq", {"nbits": 8, "axis_key": 1, "axis_value": 1}),
    "int4": ("quanto", {"nbits": 4}),
}
_PACKAGES: Final = {"quanto": ("optimum.quanto", "optimum-quanto"), "hqq": ("hqq", "hqq")}


def require_backend(kind: str) -> tuple[str, dict[str, Any]]:
    """Return the backend for a quantised cache and its arguments.

    Raises ConfigurationError that names the package where it is not installed.
    """
    backend, arguments = _BACKENDS[kind]
    if backend in _PACKAGES:
        module, package = _PACKAGES[backend]
        if not _installed(module):
            raise ConfigurationError(
                f'engine.cache_dtype "{kind}" needs a package: pip install {package}; "fp8" needs none'
            )
    return backend, arguments


def quantised_cache(config: Any, kind: str) -> Any:
    """Return an empty cache for a model of `config`; raise ConfigurationError where it cannot be made."""
    from transformers import QuantizedCache

    backend, arguments = require_backend(kind)
    try:
        return QuantizedCache(backend, config, **arguments)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f'engine.cache_dtype "{kind}" does not work here: {error}') from error


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
