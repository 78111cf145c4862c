"""The suite's own code: metrics, verdicts, evidence and reports."""
