"""The subcommands of `splatkit`: each calls a stage with what was typed and prints what came of it."""
