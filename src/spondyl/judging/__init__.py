"""How good is it: metrics, statistics, evaluations and their reports."""
