"""Real database servers for the tests: fetched once per machine, started afresh per test run."""
