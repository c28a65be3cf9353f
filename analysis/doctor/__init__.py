"""What this machine's NumPy, JAX and XLA do to narrow numbers, measured; and whether this project's codes hold here.

>>> from analysis.doctor import numpy_casts
>>> numpy_casts.PROBES[0].name, sorted(numpy_casts.PROBES[0].answers)
('float32 subnormals in sums and products', ['flushed', 'kept', 'mixed'])
"""

from analysis.doctor.examination import Examination, examine
from analysis.doctor.finding import Finding, Probe
from analysis.doctor.render import render

__all__ = ["Examination", "Finding", "Probe", "examine", "render"]
