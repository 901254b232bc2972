"""`dspipe convert`: what dspipe made → files of other libraries; what is converted decides how."""
