"""What a CI reads of a run and of a comparison: JUnit, Markdown, the summary of a step, annotations."""
