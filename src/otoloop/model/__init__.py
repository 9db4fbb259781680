"""The base: an audio language model in Qwen2-Audio's classes, its features, prompts and adapters."""
