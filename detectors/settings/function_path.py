"""How a function of a user's own is named in a specification: ``module:function``."""

import re

_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*")


def is_function_path(text: str) -> bool:
    """Whether a text names a function in a module.

    Examples
    --------
    >>> [is_function_path(text) for text in ("acme.metrics:profit", "profit", "acme.metrics: profit")]
    [True, False, False]
    """
    return _FUNCTION.fullmatch(text) is not None
