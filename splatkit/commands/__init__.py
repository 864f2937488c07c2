"""What the subcommands of `splatkit` do: they put the packages together, and report."""
