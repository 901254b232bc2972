"""Property tests have no deadline: whichever comes first compiles the kernels."""

from hypothesis import settings

settings.register_profile("kernels", deadline=None)
settings.load_profile("kernels")
