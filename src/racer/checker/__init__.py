"""Everything about a reward function that can be known without training.

`check` is one call; `fix_reward` and `write_fix` rewrite what a validator objects to. Names are loaded
when they are asked for, as the tools that fix and search take a while.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
