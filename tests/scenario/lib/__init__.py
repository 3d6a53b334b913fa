"""What the scenarios are written with: programs under test, peers that misbehave on purpose, counters."""
