"""How do rows become a table that a spreadsheet opens and never runs?"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any


def to_csv(rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str] | None = None) -> str:
    """Rows as CSV; missing is empty.

    The columns are those of the first row, or ``columns``, which are written without rows, too.
    A text that a spreadsheet would take for a formula (it begins with ``= + - @``, a tab or a line
    end) gets an apostrophe in front.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # its line end, CR LF, has it quote either in a text
    names = list(rows[0]) if columns is None and rows else list(columns or ())
    if names:
        writer.writerow(map(_cell, names))
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return f"'{value}"
    return value
