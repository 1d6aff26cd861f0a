from .page import render_report as render_report
from .subject import join_logs as join_logs

__all__ = ["join_logs", "render_report"]
