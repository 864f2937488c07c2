"""What a trained run looks like to whoever uses it: records without nerfstudio."""
