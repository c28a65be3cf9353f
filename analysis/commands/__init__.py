"""The commands of ``assay``, one module each; heavy imports stay inside the functions."""
