"""Signed parts → which document stays, and which goes in favour of which: through sorted runs on disk."""
