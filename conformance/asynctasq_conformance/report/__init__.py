"""What a run of the suite found, as JSON, Markdown and a badge."""
