"""Action spaces before anything is trained: what lap they allow at best, which actions it needs,
and better ones.
"""
