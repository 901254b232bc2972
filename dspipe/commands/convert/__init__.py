"""`dspipe convert`: what dspipe made → what other libraries read, and models back; FROM decides how."""
