"""One format or notation each; `io.scans`, `io.meshes` and `io.splats` choose among files by their names."""
