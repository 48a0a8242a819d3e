"""Modules of the live page, and the report's own, as one script: a file that loads nothing cannot import."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

_IMPORT = re.compile(r'^import (\{ [^}]+ \}) from "(\.[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|class) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*|\bimport\(.*", re.MULTILINE)


def joined(entry: str, read: Callable[[str], str]) -> str:
    r"""A module and all that it imports, each in a function of its own, in the order in which a browser would run them.

    Parameters
    ----------
    entry : path of the module.
    read : text of a module by its path.

    Raises
    ------
    ValueError
        If a module imports or exports in another form than ``import { a, b } from "./c.js";``, ``export const`` and ``export class``, or modules import each other in a circle.

    Examples
    --------
    >>> modules = {"a.js": 'import { two } from "./b.js";\nconsole.log(two);', "b.js": "export const two = 2;"}
    >>> print(joined("a.js", modules.__getitem__))
    "use strict";
    const module0 = (() => {
    const two = 2;
    return { two };
    })();
    const module1 = (() => {
    const { two } = module0;
    console.log(two);
    return {  };
    })();
    <BLANKLINE>
    """
    places: dict[str, int] = {}
    parts: list[str] = []

    def add(path: str, through: tuple[str, ...]) -> int:
        if path in through:
            raise ValueError(f"modules import each other in a circle: {' -> '.join((*through, path))}")
        if path not in places:
            text = read(path)
            numbers = {target: add(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)), (*through, path)) for _, target in _IMPORT.findall(text)}
            body = _IMPORT.sub(lambda match: f"const {match[1]} = module{numbers[match[2]]};", text)
            names = ", ".join(_EXPORT.findall(body))
            body = _EXPORT.sub("", body)
            if (other := _OTHER.search(body)) is not None:
                raise ValueError(f'{path}: {other[0]!r} cannot be joined; write imports as import {{ a, b }} from "./c.js"; and exports as export const or export class')
            places[path] = len(parts)
            parts.append(f"const module{len(parts)} = (() => {{\n{body.strip()}\nreturn {{ {names} }};\n}})();\n")
        return places[path]

    add(entry, ())
    return '"use strict";\n' + "".join(parts)
