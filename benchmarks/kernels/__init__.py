"""Parts of the run of every kernel on a GPU: processes, what they verify and what they time."""
