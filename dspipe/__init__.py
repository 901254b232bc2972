"""dspipe: from a crawl to a trained DeepSeek-V3-style model, stage by stage. Start at `road.py`."""

__version__ = "0.1.0"
