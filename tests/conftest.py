"""What holds for all tests: examples by chance are the same in every run, unless one sets out to find new ones.

`HYPOTHESIS_PROFILE=explore pytest …` draws others each time, and more of them.
"""

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=500, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
