"""What a claim is, what was measured, and the verdict that follows."""
