"""Results as files: one self-contained HTML page, Parquet, PNG; written whole or not at all."""

from analysis.report.files import write
from analysis.report.markup import page
from analysis.report.provenance import provenance

__all__ = ["page", "provenance", "write"]
