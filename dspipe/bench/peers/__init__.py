"""Scripts that run a yardstick in an environment of its own; nothing of dspipe imports them, nor they it."""
