from .page import render_report as render_report
from .subject import MAX_JOBS as MAX_JOBS
from .subject import join_logs as join_logs

__all__ = ["MAX_JOBS", "join_logs", "render_report"]
