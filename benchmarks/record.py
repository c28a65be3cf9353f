"""Evidence of a benchmark: the same record that the exhaustive sweep writes."""

from analysis.evidence import driver, provenance, spec_digest, write

__all__ = ["driver", "provenance", "spec_digest", "write"]
