"""What is calibrated with: boards, their patterns and notations, sheets to print, and a generated hall with boards."""
