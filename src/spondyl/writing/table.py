"""How do rows become a table that a spreadsheet opens and never runs?"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the columns of the first, as CSV; missing is empty.

    A text that a spreadsheet would take for a formula (it begins with ``= + - @``, a tab or a line
    end) gets an apostrophe in front.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # its line end, CR LF, has it quote either in a text
    if rows:
        writer.writerow(map(_cell, rows[0]))
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return f"'{value}"
    return value
