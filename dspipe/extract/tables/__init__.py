"""Tables: Parquet and Arrow files become rows, a bounded block at a time."""
