"""Which lines and terms of a reward function pay how much.

The way of one line through the four steps, here the second one of this reward:

    def reward_function(params):
        reward = params["speed"]
        reward += 0.5 * params["progress"] - 1
        return reward

1. Split (`split`, plans in `plans`). The added expression falls into its summands. Each is a `Term`,
   the text `0.5 * params["progress"]` of line 3 and the text `- 1` of line 3, and gets a slot in
   which its value will be recorded. The plan says how to make amounts of the recorded values:
   `SumPlan(((1, LeafPlan(term 1, slot 1)), (-1, LeafPlan(term 2, slot 2))))`.
2. Instrument (`instrument`, with `name_roles`). The line is rewritten so that a ledger looks on. The
   user's own operators stay in their order, so that the reward is the same to the last bit:

       reward += frame.record(1, 0.5 * params["progress"]) - frame.record(2, 1)
       frame.update(1, reward)

3. Keep books (`ledger`). When the line runs at a speed of 2 and a progress of 10, the frame's ledger
   records 5.0 and 1. At `frame.update` it follows the plan and knows what `reward` is made of:
   2.0 of `reward = params["speed"]`, 5.0 of `0.5 * params["progress"]`, -1.0 of `- 1`. At the
   return, this becomes the entries of one `RecordedCall`.
4. Sum up (`attribution`, records in `explanation`). The calls of all steps become a table of steps
   by pieces, and that a sum for each line: what it paid, how often it ran, and where on the lap.

What the ledger cannot follow (a value that is no number, a name that was changed where nobody
looked) is one amount of the line where it is used, so that amounts always add up to the reward.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
