"""What was photographed from around, without what it stands on."""
