"""Numbers → pictures in a page: what `report` and `compare` draw with."""
