"""One self-contained HTML page about a log: in words, in figures, and as laps that can be driven
again.
"""

from racer.report.page import report

__all__ = ["report"]
