"""The network: DeepSeek-V3's transformer, its checkpoint names in and out, and its size."""
