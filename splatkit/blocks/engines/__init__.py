"""What trains blocks: this machine, one after another, or a Ray cluster, as many at a time as it has room for."""
