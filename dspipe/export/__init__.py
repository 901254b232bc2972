"""model → hf: a directory that `transformers` and what builds on it load as DeepseekV3ForCausalLM."""
