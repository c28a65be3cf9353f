"""The block types of GGUF."""
