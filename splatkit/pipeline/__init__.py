"""The three stages from one file: what to do, what of it is done already, and doing the rest."""
