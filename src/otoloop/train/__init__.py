"""Training: cached audio features in, a LoRA adapter on the language model out."""
