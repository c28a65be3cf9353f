"""What pytest does not import here: it needs triton, which needs a GPU's driver to be of use."""

collect_ignore = ["triton_w4a16.py"]
