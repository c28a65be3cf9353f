"""I-BERT's integer functions inside a real BERT: MiniLM in floats, and with softmax, GELU and LayerNorm in integers."""
