"""Which of a user's modules a process may import: those that its environment lists, and what is inside of them."""


def is_allowed(module: str, listed: str) -> bool:
    """Whether a module is one of some that are listed with commas, or inside of one.

    Examples
    --------
    >>> [is_allowed(module, "acme.metrics, fraud") for module in ("acme.metrics.profit", "acme", "fraudulent", "fraud")]
    [True, False, False, True]
    """
    names = [name.strip() for name in listed.split(",") if name.strip()]
    return any(module == name or module.startswith(f"{name}.") for name in names)
