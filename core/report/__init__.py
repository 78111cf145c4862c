"""What a run found, as tables, files and pages."""
