"""The simulator: a table of cars, the rules that judge them and the step that moves them."""
