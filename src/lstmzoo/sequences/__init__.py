"""Made-up sequences that ask for memory: something is seen, and D steps later it is asked for."""
