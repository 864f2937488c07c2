"""Self-contained HTML reports and plots, one look for all stages."""
