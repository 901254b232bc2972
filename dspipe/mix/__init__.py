"""distinct → mixture: the shares that the recipe asks for, exactly, or a table of what is short."""
