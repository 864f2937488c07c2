"""What is calibrated with: boards, their patterns and notations, and sheets to print."""
