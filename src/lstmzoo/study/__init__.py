"""Studies: many networks trained alike, and what comes out as one table and one figure."""
