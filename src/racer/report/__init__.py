"""One self-contained HTML page about a log: in words, in figures, and as laps that can be driven
again.
"""

from racer.report.page import render_report

__all__ = ["render_report"]
