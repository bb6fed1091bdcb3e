"""JSON documents in a form that is the same for equal documents, however a server keeps them.

MySQL keeps a tree: its keys sorted, its numbers as 64-bit integers, doubles or decimals. MariaDB keeps the text as it came.
Objects are equal whatever the order of their keys, numbers by their value: 1, 1.0 and 1e0 are one number, so are 0.10 and 0.1.
No function of the servers tells that on both, so the documents of a table are read and the form is made here.
"""

import json
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Final

# Stands before the hash of a row with a number of more digits than a double keeps. MySQL has rounded it when it was loaded, so
# that an unequal hash does not tell a rounded number from a wrong one.
INEXACT: Final = "~"
_LEAST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1


class _Number(str):
    """A number's form; a string of a document is none."""


class _Inexact(_Number):
    """That of a number which a double does not keep."""


class _Twice(list[tuple[str, object]]):
    """An object in which a key stands twice: the servers do not agree on which of its values is meant, so that all count."""


def document_form(text: bytes) -> tuple[str, bool]:
    """The form of a document, and whether both servers keep all of it. Text that is no JSON is its own form."""
    inexact: list[_Inexact] = []
    try:
        tree = json.loads(
            text.decode("utf-8"), parse_int=_number, parse_float=_number, parse_constant=_refuse, object_pairs_hook=_object
        )
        form = json.dumps(_tagged(tree, inexact), separators=(",", ":"))
    except (ValueError, RecursionError):
        return f"text {text.hex()}", True
    return form, not inexact


def with_documents(row_hash: str, documents: Sequence[bytes | None]) -> str:
    """The hash of a row whose documents are not among the columns that the server has hashed; "", which is void, stays so."""
    if not row_hash or not documents:
        return row_hash
    forms = [None if document is None else document_form(document) for document in documents]
    code = json.dumps([row_hash, *(None if form is None else form[0] for form in forms)])
    mark = "" if all(form is None or form[1] for form in forms) else INEXACT
    return mark + sha256(code.encode()).hexdigest()


def _number(digits: str) -> _Number:
    try:
        exact = Decimal(digits)
    except InvalidOperation:
        raise ValueError(digits) from None
    if exact == exact.to_integral_value() and _LEAST <= exact <= _LARGEST:
        return _Number(int(exact))
    sign, figures, exponent = exact.as_tuple()
    shortest = "".join(map(str, figures)).rstrip("0")
    form = f"{'-' if sign else ''}{shortest}e{int(exponent) + len(figures) - len(shortest)}"
    return _Number(form) if Decimal(repr(float(digits))) == exact else _Inexact(form)


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _object(pairs: list[tuple[str, object]]) -> object:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(pairs)


def _tagged(tree: object, inexact: list[_Inexact]) -> object:
    """The tree with its objects sorted, and with numbers that no string looks like."""
    match tree:
        case dict():
            return {"object": [[key, _tagged(tree[key], inexact)] for key in sorted(tree)]}
        case _Twice():
            return {"twice": [[key, _tagged(value, inexact)] for key, value in tree]}
        case list():
            return [_tagged(part, inexact) for part in tree]
        case _Number():
            if isinstance(tree, _Inexact):
                inexact.append(tree)
            return {"number": str(tree)}
        case _:
            return tree
