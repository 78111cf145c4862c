"""Bodies of evidence: what a claim is judged on, where it comes from, and its checks."""
