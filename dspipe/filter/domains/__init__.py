"""What the beginning of a text shows of its domain: marks, counted in one walk and weighed."""
