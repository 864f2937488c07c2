"""HTML reports of the stages, one page a result; between the stages and the commands."""
