from .program import ColumnProgram as ColumnProgram
from .values import NotColumnar as NotColumnar
from .values import Table as Table

__all__ = ["ColumnProgram", "NotColumnar", "Table"]
