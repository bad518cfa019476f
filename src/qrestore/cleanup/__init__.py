"""Clean-up of old runs and caches: a plan first, then what it says. What a registered version needs is in no plan."""
